// The write-ahead logs of one database, so that they can be synced beside the thread that writes
// them. Internal to queue/.
//
// RocksDB's own DB::SyncWAL() is for that, too, but as Debian 12 has it (7.8.3, with assertions) it
// aborts when a write fails just before, and it can note a log in the manifest that is deleted
// already, so that the database opens no more (mended in 7.10).
//
// Threads: sync() from any. Once a sync of a log has failed, whoever asked for it, all that follow
// fail: the kernel tells of lost pages once, and a second sync would succeed without them.
#ifndef SLUICE_QUEUE_LOG_FILES_H_
#define SLUICE_QUEUE_LOG_FILES_H_

#include <rocksdb/env.h>
#include <rocksdb/status.h>

#include <memory>

namespace sluice::queue {

class LogFiles {
 public:
  // `base` must outlive this; nullptr: the system's files.
  explicit LogFiles(rocksdb::Env* base);
  ~LogFiles();
  LogFiles(const LogFiles&) = delete;
  LogFiles& operator=(const LogFiles&) = delete;

  // For the options of the database, which must be closed before this is destroyed.
  rocksdb::Env* env() const { return env_.get(); }

  // Makes durable what had been written to any log when it was called.
  rocksdb::Status sync();

 private:
  class Files;
  std::shared_ptr<Files> files_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LOG_FILES_H_
