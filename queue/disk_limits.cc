#include "queue/disk_limits.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

namespace sluice::queue {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::uint64_t kGiB = 1U << 30;
constexpr std::uint64_t kStatBlockBytes = 512;

std::uint64_t blocks_of(const std::filesystem::path& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return 0;
  return static_cast<std::uint64_t>(info.st_blocks) * kStatBlockBytes;
}

// Whether it is full, given what it was.
bool is_over(bool was, std::uint64_t used, std::uint64_t limit) {
  return used >= (was ? limit - limit / 16 : limit);
}
bool is_under(bool was, std::uint64_t free, std::uint64_t limit) {
  return limit > 0 && free < (was ? limit + limit / 8 : limit);
}

}  // namespace

DiskPlan plan_disk(const DiskLimits& limits, std::uint64_t file_system_bytes) {
  DiskPlan plan;
  plan.max_size = limits.max_size.value_or(std::max(file_system_bytes / 2, 32 * kMiB));
  plan.session_max_size = limits.session_max_size.value_or(plan.max_size / 2);
  plan.min_free = limits.min_free.value_or(std::min(2 * kGiB, file_system_bytes / 20));
  plan.wal_bytes_max = std::clamp(plan.max_size / 16, 4 * kMiB, 256 * kMiB);
  plan.record_buffer_bytes[Lane::kAudit] = std::clamp(plan.max_size / 64, kMiB, 32 * kMiB);
  plan.record_file_bytes[Lane::kAudit] = std::clamp(plan.max_size / 64, 2 * kMiB, 256 * kMiB);
  // Only whole files behind those that RocksDB begins with can be trimmed, so a lane's share holds
  // many of them, however large the queue is.
  const std::uint64_t part = std::min(plan.max_size, 2 * plan.session_max_size) / 64;
  plan.record_buffer_bytes[Lane::kSession] = std::clamp(part, kMiB / 4, 32 * kMiB);
  plan.record_file_bytes[Lane::kSession] = std::clamp(part, kMiB / 2, 256 * kMiB);
  return plan;
}

Result<DiskSpace> file_system_space(const std::filesystem::path& path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) {
    return fail(errno_error("look at the file system of", path.string()));
  }
  return DiskSpace{info.f_blocks * info.f_frsize, info.f_bavail * info.f_frsize};
}

std::uint64_t folder_bytes(const std::filesystem::path& folder) {
  std::uint64_t bytes = blocks_of(folder);
  std::error_code error;
  std::filesystem::recursive_directory_iterator it(folder, error);
  for (; !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    bytes += blocks_of(it->path());
  }
  return bytes;
}

std::string describe_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 || value >= 100 ? 0 : 1, kUnits[unit]);
}

const FullLanes& RoomGauge::update(const DiskUsage& usage) {
  const std::uint64_t session = usage.lane[Lane::kSession];
  size_full_ = is_over(size_full_, usage.used, plan_.max_size);
  disk_full_ = is_under(disk_full_, usage.free, plan_.min_free);
  session_full_ = is_over(session_full_, session, plan_.session_max_size);
  for (const Lane lane : kLanes) {
    const bool own = lane == Lane::kSession && session_full_;
    if (!size_full_ && !disk_full_ && !own) {
      full_[lane].reset();
      continue;
    }
    if (full_[lane]) continue;
    if (disk_full_) {
      full_[lane] = fmt::format(
          "the queue's file system has {} free, and min-free-disk is {}: make room on it",
          describe_bytes(usage.free), describe_bytes(plan_.min_free));
    } else if (size_full_) {
      full_[lane] = fmt::format(
          "the queue takes {}, max-size is {}, and nothing more in it may be trimmed: see why "
          "Fluentd does not take events, or raise max-size",
          describe_bytes(usage.used), describe_bytes(plan_.max_size));
    } else {
      full_[lane] = fmt::format(
          "events of session recordings take {}, session-max-size is {}, and nothing more of them "
          "may be trimmed: see why Fluentd does not take them, or raise session-max-size",
          describe_bytes(session), describe_bytes(plan_.session_max_size));
    }
  }
  return full_;
}

}  // namespace sluice::queue
