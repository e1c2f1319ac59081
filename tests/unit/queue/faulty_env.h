// A file system for RocksDB whose writes and syncs of log files can be made to fail, as a full or
// broken disk does.
#ifndef SLUICE_TESTS_UNIT_QUEUE_FAULTY_ENV_H_
#define SLUICE_TESTS_UNIT_QUEUE_FAULTY_ENV_H_

#include <rocksdb/env.h>

#include <atomic>
#include <memory>

namespace sluice::queue {

// What to do to the next syncs of write-ahead logs.
struct Faults {
  std::atomic<bool> fail_sync{false};    // the bytes are in the file, the sync is refused
  std::atomic<bool> hold_sync{false};    // the sync does not return while this is so
  std::atomic<bool> fail_append{false};  // nothing gets into the file
};

// `faults` must outlive the Env.
std::unique_ptr<rocksdb::Env> make_faulty_env(Faults* faults);

}  // namespace sluice::queue

#endif  // SLUICE_TESTS_UNIT_QUEUE_FAULTY_ENV_H_
