// How much room a queue may take on its disk, and whether there is any.
//
// DiskLimits is what the configuration says; DiskPlan is what follows from it on a given file
// system; RoomGauge decides when a lane must wait for room and when it may go on. Pure but for
// file_system_space() and folder_bytes(), callable from any thread.
#ifndef SLUICE_QUEUE_DISK_LIMITS_H_
#define SLUICE_QUEUE_DISK_LIMITS_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/error.h"
#include "queue/types.h"

namespace sluice::queue {

struct DiskLimits {
  std::chrono::milliseconds retention{24 * 3'600'000};
  std::optional<std::uint64_t> max_size;          // nothing: half of the file system
  std::optional<std::uint64_t> session_max_size;  // nothing: half of max_size
  std::optional<std::uint64_t> min_free;          // nothing: 5 % of the file system, 2 GiB at most
  std::chrono::milliseconds erase_within{24 * 3'600'000};
};

// The limits as numbers, and the sizes that make the database keep to them: the queue's folder
// exceeds max_size by an eighth at most.
struct DiskPlan {
  std::uint64_t max_size = 0;
  std::uint64_t session_max_size = 0;
  std::uint64_t min_free = 0;
  std::uint64_t wal_bytes_max = 0;             // of the database's logs, and of the ballast
  PerLane<std::uint64_t> record_buffer_bytes;  // a memory table
  PerLane<std::uint64_t> record_file_bytes;    // a table file

  // Trimming begins above these, so that it is done before a lane must wait.
  std::uint64_t trim_above() const { return max_size - max_size / 8; }
  std::uint64_t trim_session_above() const { return session_max_size - session_max_size / 8; }
  std::uint64_t trim_free_below() const { return min_free + min_free / 4; }
};
DiskPlan plan_disk(const DiskLimits& limits, std::uint64_t file_system_bytes);

struct DiskSpace {
  std::uint64_t size = 0;
  std::uint64_t free = 0;  // for this process
};
Result<DiskSpace> file_system_space(const std::filesystem::path& path);

// The disk blocks of all files in the folder and below, as du(1) counts them. Files that vanish
// meanwhile count nothing.
std::uint64_t folder_bytes(const std::filesystem::path& folder);

struct DiskUsage {
  std::uint64_t used = 0;       // by the queue's folder
  PerLane<std::uint64_t> lane;  // by a lane's own records
  std::uint64_t free = 0;       // on the file system
  bool operator==(const DiskUsage&) const = default;
};

// For each lane why nothing may be appended to it, as a sentence; nothing: go on.
using FullLanes = PerLane<std::optional<std::string>>;

// A lane that had to wait goes on only when there is a little more room than it needs, so that it
// does not stop and go. The sentence stays as it was until then.
class RoomGauge {
 public:
  explicit RoomGauge(const DiskPlan& plan) : plan_(plan) {}
  const FullLanes& update(const DiskUsage& usage);

 private:
  const DiskPlan plan_;
  bool size_full_ = false;
  bool disk_full_ = false;
  bool session_full_ = false;
  FullLanes full_;
};

// "62.4 MiB": for people.
std::string describe_bytes(std::uint64_t bytes);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DISK_LIMITS_H_
