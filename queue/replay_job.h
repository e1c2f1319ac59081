// A replay job: a range of kept, acknowledged numbers of one lane that is shipped once more, beside
// the live flow.
//
// The spec is written once and never changes; the progress is written anew with each step. Value
// types; the functions are pure. docs/queue-format.md has the bytes.
#ifndef SLUICE_QUEUE_REPLAY_JOB_H_
#define SLUICE_QUEUE_REPLAY_JOB_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/record.h"
#include "queue/types.h"

namespace sluice::queue {

// On disk: never change the numbers.
enum class ReplayState : std::uint8_t {
  kActive = 0,     // at work, or waiting for its turn
  kDone = 1,       // everything that was asked for and still there has been sent or refused
  kCancelled = 2,  // by a person
  kPartial = 3,    // some of it had been trimmed before it could be sent
  kFailed = 4,     // it could not be read; `remark` says why
};
std::string_view name_of(ReplayState state);

// Which of a lane's events are meant. An empty list, or no time, means any.
struct ReplayFilter {
  std::optional<Timestamp> from_time;  // of the event itself; included
  std::optional<Timestamp> to_time;    // not included
  std::vector<std::string> types;
  std::vector<std::string> ids;
  bool operator==(const ReplayFilter&) const = default;
};

// Who asked for a change, and why.
struct Actor {
  std::uint32_t uid = 0;  // as the kernel says
  std::string claimed;    // the name that the caller gives itself; may be empty
  std::string reason;
  bool operator==(const Actor&) const = default;
};

struct ReplaySpec {
  Lane lane = Lane::kAudit;
  SeqRange numbers;
  ReplayFilter filter;
  std::uint64_t rate = 0;  // events a second at most; 0: no limit
  bool mark = false;       // each event gets a member "_sluice" that names the job
  Actor actor;
  std::int64_t created_at_ms = 0;  // unix time
  // As counted when the job was made.
  std::uint64_t matched = 0;
  std::uint64_t matched_bytes = 0;
  std::uint64_t trimmed = 0;  // of the numbers asked for, at most, that were already gone
  bool operator==(const ReplaySpec&) const = default;
};

struct ReplayProgress {
  ReplayState state = ReplayState::kActive;
  Seq position = 0;  // the numbers up to here are finished
  Seq last = 0;      // where the job ends: the spec's last number, or less if the queue lost some
  std::vector<SeqRange> completed;  // finished beyond the position: ascending, disjoint
  std::uint64_t sent = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t refused = 0;         // by the sink; the job goes on behind them
  std::vector<Seq> refused_numbers;  // the first kReplayRefusedShown of them
  std::string refusal;               // why the last of them was refused
  std::string remark;                // why it ended so, or what is to be known of it; a sentence
  std::int64_t changed_at_ms = 0;    // unix time
  bool operator==(const ReplayProgress&) const = default;
};

struct ReplayJob {
  std::uint64_t id = 0;
  ReplaySpec spec;
  ReplayProgress progress;
  bool is_active() const { return progress.state == ReplayState::kActive; }
  bool operator==(const ReplayJob&) const = default;
};

inline constexpr std::size_t kReplayTypesMax = 256;
inline constexpr std::size_t kReplayIdsMax = 1000;
inline constexpr std::size_t kReplayNameBytesMax = 1024;    // of one type or id
inline constexpr std::size_t kReplayReasonBytesMax = 1024;  // of a reason, remark or refusal
inline constexpr std::size_t kReplayRefusedShown = 10;
// This many jobs are at work at once, those with the lowest numbers; others wait for their turn.
inline constexpr std::size_t kReplaysAtOnce = 4;
inline constexpr std::size_t kReplaysActiveMax = 64;
inline constexpr std::size_t kReplaysFinishedKept = 256;

// Whether there is a reason, and neither it nor the name is too long. kUsage.
Result<void> check_actor(const Actor& actor);

// Whether the bounds above are kept, there is a reason, and the range is one. kUsage.
Result<void> check_spec(const ReplaySpec& spec);

// Whether the progress is one of this spec: within its range, and in order. kCorrupt.
Result<void> check_progress(const ReplayJob& job);

std::string encode_replay_spec(const ReplaySpec& spec);
Result<ReplaySpec> decode_replay_spec(std::string_view bytes);
std::string encode_replay_progress(const ReplayProgress& progress);
Result<ReplayProgress> decode_replay_progress(std::string_view bytes);

// Decides which records a filter means. Any thread.
class ReplayMatcher {
 public:
  explicit ReplayMatcher(const ReplayFilter& filter);
  // Never for what stands in an event's place.
  bool matches(const RecordView& record) const;

 private:
  std::optional<Timestamp> from_time_;
  std::optional<Timestamp> to_time_;
  std::unordered_set<std::string> types_;
  std::unordered_set<std::string> ids_;
};

// "2026-11-23T02:00:00Z..03:00:00Z, types user.login": for people; empty when any event is meant.
std::string describe(const ReplayFilter& filter);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_REPLAY_JOB_H_
