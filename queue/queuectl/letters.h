// Dead letters as queuectl chooses and counts them.
//
// Reads the delivery store, whether a shipper runs or not; changes nothing.
#ifndef SLUICE_QUEUE_QUEUECTL_LETTERS_H_
#define SLUICE_QUEUE_QUEUECTL_LETTERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "queue/dead_letter.h"
#include "queue/intervention.h"
#include "queue/queuectl/access.h"
#include "queue/replay_job.h"
#include "queue/types.h"

namespace sluice::queue {

// Which dead letters are meant. What is not given means any.
struct LetterFilter {
  std::optional<Lane> lane;
  std::optional<SeqRange> numbers;
  ReplayFilter event;
  std::optional<std::uint32_t> status;
  std::string text;  // that the reason or the sink's answer has
  bool operator==(const LetterFilter&) const = default;
};

struct ListedLetter {
  DeadLetter letter;
  std::size_t bytes = 0;                     // of its row
  std::optional<Intervention> intervention;  // if there is one that concerns it now

  bool is_requeued() const;
  bool is_voided() const { return intervention && intervention->is_voided; }
  // When it was first known to be one.
  std::int64_t since_ms() const;
};

// Calls `visit` with each letter that is meant, audit first and by number, until it returns false.
Result<void> visit_letters(Access* access, const LetterFilter& filter,
                           const std::function<bool(ListedLetter)>& visit);

// What letters have in common, for people: "400 invalid time"; of a reject the reason.
std::string reason_group(const DeadLetter& letter);

struct ReasonCount {
  std::uint64_t count = 0;
  std::int64_t oldest_ms = 0;  // unix time, as the next
  std::int64_t newest_ms = 0;
};

class LetterSummary {
 public:
  void add(const ListedLetter& listed);

  std::uint64_t count() const {
    return totals_[Lane::kAudit].count + totals_[Lane::kSession].count;
  }
  std::uint64_t requeued() const { return requeued_; }
  const DeadLetterTotals& totals(Lane lane) const { return totals_[lane]; }
  std::optional<std::int64_t> oldest_ms() const { return oldest_ms_; }
  // How many different reasons there are, and the most frequent of them.
  std::size_t reasons() const { return groups_.size(); }
  std::vector<std::pair<std::string, ReasonCount>> top(std::size_t most) const;

 private:
  PerLane<DeadLetterTotals> totals_;
  std::uint64_t requeued_ = 0;
  std::optional<std::int64_t> oldest_ms_;
  std::map<std::string, ReasonCount> groups_;  // kGroupsMax, and one for all others
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_LETTERS_H_
