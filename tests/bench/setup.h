// What all measurements of the queue share: how much is measured, where, and how a queue is opened.
#ifndef SLUICE_TESTS_BENCH_SETUP_H_
#define SLUICE_TESTS_BENCH_SETUP_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "common/error.h"
#include "queue/reader.h"
#include "queue/writer.h"

namespace sluice::bench {

struct Setup {
  std::filesystem::path folder;  // an empty one, for all that is written
  bool quick = false;            // only to see that everything runs: the figures mean nothing
  std::uint64_t backlog_events = 10'000'000;

  // `full`, or `quick_value` if this is only to see that everything runs.
  template <typename T>
  T amount(T full, T quick_value) const {
    return quick ? quick_value : full;
  }
};

inline constexpr std::size_t kEventBytes = 1024;

queue::InstancePaths instance_at(const std::filesystem::path& folder);
// Makes the folder if need be.
Result<std::unique_ptr<queue::Writer>> open_writer(const queue::InstancePaths& paths);
// `name`: of this reader, among those of the same queue.
Result<std::unique_ptr<queue::Reader>> open_reader(const queue::InstancePaths& paths,
                                                   const std::string& name);

// Removes the folder with all that is in it when destroyed.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::filesystem::path path);
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Bytes on the disk of the queue's files: of the tables alone, or of the write-ahead logs up to
// their ends.
double table_bytes(const queue::InstancePaths& paths);
double log_bytes(const queue::InstancePaths& paths);

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Returns when this process has written nothing for a while: the queue's background work is done.
void wait_until_quiet();

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_SETUP_H_
