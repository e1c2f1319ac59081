// Checks everything that can be checked of a queue and its delivery store, while their daemons run
// or not, and goes on behind damage so that all of it is known. Internal to queue/; `queuectl
// verify` shows the result.
//
// Reads only. On a live queue it follows the reader's rules, so that what heals by itself (a hole
// of a flush, a floor that moves on) is no alarm; what is appended after the start is not looked
// at. Memory is bounded: one chunk of records, and the first kDamageShown ranges of damage. One
// thread.
#ifndef SLUICE_QUEUE_VERIFY_H_
#define SLUICE_QUEUE_VERIFY_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/error.h"
#include "queue/instance.h"
#include "queue/types.h"

namespace sluice::queue {

// Numbers that follow each other and cannot be read, for one reason.
struct DamagedRange {
  Lane lane = Lane::kAudit;
  SeqRange numbers;
  std::string why;
};
inline constexpr std::size_t kDamageShown = 100;

struct LaneCheck {
  Seq floor = 1;  // the first number that was looked at
  Seq last = 0;   // and the last
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;    // of bodies
  std::uint64_t rejects = 0;  // of the records
  std::uint64_t gaps = 0;     // of the records: losses that are recorded
  std::uint64_t damaged = 0;  // numbers that cannot be read
};

struct VerifyReport {
  bool queue_found = false;
  bool delivery_found = false;
  bool records_checked = false;  // false: the queue could not be opened, see `problems`
  PerLane<LaneCheck> lanes;
  std::vector<DamagedRange> ranges;   // the first kDamageShown
  std::uint64_t range_count = 0;      // of all
  std::vector<std::string> problems;  // everything else that is wrong, a sentence each
  std::vector<std::string> notes;     // what could not be checked, and why that is no damage
  std::uint64_t table_files = 0;      // whose checksums were verified
  bool is_clean() const { return range_count == 0 && problems.empty(); }
};

struct VerifyProgress {
  std::uint64_t done = 0;   // numbers
  std::uint64_t total = 0;  // of both lanes
  std::uint64_t bytes = 0;
};

struct VerifyOptions {
  InstancePaths paths;
  std::filesystem::path scratch;  // a folder of its own, made and removed by it
  std::function<void(const VerifyProgress&)> progress;  // called some times a second; may be empty
};

// An error only when nothing could be looked at (kFormat, kNotFound, a folder that may not be
// read); damage is in the report.
Result<VerifyReport> verify(const VerifyOptions& options);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_VERIFY_H_
