#include "queue/log_files.h"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sluice::queue {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class LogFile;

// What the logs of a database share.
struct Logs {
  std::mutex mutex;             // held during each sync, so that one that fails is seen by the next
  std::vector<LogFile*> files;  // oldest first
  IOStatus failure;             // of the first sync that failed
};

class LogFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LogFile(std::unique_ptr<rocksdb::FSWritableFile>&& file, std::shared_ptr<Logs> logs)
      : FSWritableFileOwnerWrapper(std::move(file)), logs_(std::move(logs)) {
    const std::lock_guard guard(logs_->mutex);
    logs_->files.push_back(this);
  }
  ~LogFile() override { forget(); }

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    return wrote(FSWritableFileOwnerWrapper::Append(data, options, context));
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* context) override {
    return wrote(FSWritableFileOwnerWrapper::Append(data, options, verification, context));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    const std::lock_guard guard(logs_->mutex);
    return sync_unlocked(options, context);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Sync(options, context);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* context) override {
    forget();
    return FSWritableFileOwnerWrapper::Close(options, context);
  }

  // With the mutex held.
  IOStatus sync_unlocked(const IOOptions& options, IODebugContext* context) {
    if (!logs_->failure.ok()) return logs_->failure;
    if (is_synced_.exchange(true)) return IOStatus::OK();
    IOStatus done = FSWritableFileOwnerWrapper::Sync(options, context);
    if (!done.ok()) logs_->failure = done;
    return done;
  }

 private:
  // After the write, so that a sync that ran meanwhile does not hide it from the next.
  IOStatus wrote(IOStatus done) {
    is_synced_ = false;
    return done;
  }
  // RocksDB closes a log when it is synced or when tables have all that is in it.
  void forget() {
    const std::lock_guard guard(logs_->mutex);
    std::erase(logs_->files, this);
  }

  const std::shared_ptr<Logs> logs_;
  std::atomic<bool> is_synced_ = false;  // a new file has a name to be synced
};

}  // namespace

class LogFiles::Files final : public rocksdb::FileSystemWrapper {
 public:
  explicit Files(const std::shared_ptr<rocksdb::FileSystem>& base) : FileSystemWrapper(base) {}
  const char* Name() const override { return "LogFiles"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* context) override {
    IOStatus made = FileSystemWrapper::NewWritableFile(name, options, result, context);
    if (!made.ok() || !name.ends_with(".log")) return made;
    *result = std::make_unique<LogFile>(std::move(*result), logs_);
    const std::lock_guard guard(logs_->mutex);
    unsynced_folder_ = std::filesystem::path(name).parent_path().string();
    return made;
  }

  // In the order in which they were written: what is recovered ends at the first hole.
  IOStatus sync() {
    const std::lock_guard guard(logs_->mutex);
    for (LogFile* file : logs_->files) {
      IOStatus done = file->sync_unlocked(IOOptions(), nullptr);
      if (!done.ok()) return done;
    }
    if (unsynced_folder_.empty()) return IOStatus::OK();
    IOStatus done = sync_folder();
    if (done.ok()) unsynced_folder_.clear();
    return done;
  }

 private:
  IOStatus sync_folder() {
    std::unique_ptr<rocksdb::FSDirectory> folder;
    IOStatus done = NewDirectory(unsynced_folder_, IOOptions(), &folder, nullptr);
    if (!done.ok()) return done;
    return folder->FsyncWithDirOptions(
        IOOptions(), nullptr,
        rocksdb::DirFsyncOptions(rocksdb::DirFsyncOptions::FsyncReason::kNewFileSynced));
  }

  const std::shared_ptr<Logs> logs_ = std::make_shared<Logs>();
  std::string unsynced_folder_;  // where a log was made whose name may not be on the disk
};

LogFiles::LogFiles(rocksdb::Env* base)
    : files_(std::make_shared<Files>(base != nullptr ? base->GetFileSystem()
                                                     : rocksdb::FileSystem::Default())),
      env_(rocksdb::NewCompositeEnv(files_)) {}

LogFiles::~LogFiles() = default;

rocksdb::Status LogFiles::sync() { return files_->sync(); }

}  // namespace sluice::queue
