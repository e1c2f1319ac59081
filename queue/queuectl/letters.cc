#include "queue/queuectl/letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace sluice::queue {
namespace {

constexpr std::size_t kGroupBytesMax = 100;
constexpr std::size_t kGroupsMax = 1000;

// Printable and in one line.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool is_control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (!is_control) {
      line.push_back(c);
    } else if (!line.empty() && line.back() != ' ') {
      line.push_back(' ');
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

class LetterMatcher {
 public:
  explicit LetterMatcher(const LetterFilter& filter) : filter_(filter), event_(filter.event) {}

  bool matches(const DeadLetter& letter) const {
    if (filter_.lane && letter.lane != *filter_.lane) return false;
    if (filter_.numbers &&
        (letter.seq < filter_.numbers->first || letter.seq > filter_.numbers->last)) {
      return false;
    }
    if (filter_.status && letter.status != *filter_.status) return false;
    const bool has_text = letter.reason.find(filter_.text) != std::string::npos ||
                          letter.answer.find(filter_.text) != std::string::npos;
    // Of a reject as much as is known.
    RecordView record = letter.record().record;
    record.kind = RecordKind::kEvent;
    return has_text && event_.matches(record);
  }

 private:
  const LetterFilter& filter_;
  ReplayMatcher event_;
};

}  // namespace

bool ListedLetter::is_requeued() const {
  return intervention && intervention->kind == InterventionKind::kRequeueAsked;
}

std::int64_t ListedLetter::since_ms() const {
  return letter.first_at_ms != 0 ? letter.first_at_ms : letter.fetched_at_ms;
}

Result<void> visit_letters(Access* access, const LetterFilter& filter,
                           const std::function<bool(ListedLetter)>& visit) {
  SLUICE_ASSIGN(const auto interventions, access->interventions());
  std::map<RecordKey, Intervention> of_letters;
  for (const Intervention& one : interventions) {
    const bool is_of_a_letter =
        one.kind == InterventionKind::kRequeueAsked || one.kind == InterventionKind::kNone;
    if (is_of_a_letter) of_letters.emplace(one.record, one);
  }
  const LetterMatcher matcher(filter);
  return access->visit_dead_letters([&](DeadLetter letter, std::size_t bytes) {
    if (!matcher.matches(letter)) return true;
    ListedLetter listed{std::move(letter), bytes, std::nullopt};
    const auto found = of_letters.find(listed.letter.key());
    if (found != of_letters.end()) listed.intervention = found->second;
    return visit(std::move(listed));
  });
}

std::string reason_group(const DeadLetter& letter) {
  if (letter.status == 0) return one_line(letter.reason.substr(0, kGroupBytesMax));
  std::string_view answer = letter.answer;
  // Fluentd begins its answers with a line that says the status again.
  const std::string status = fmt::format("{} ", letter.status);
  if (answer.starts_with(status)) {
    const std::size_t end = answer.find('\n');
    const std::string_view rest = end == std::string_view::npos ? "" : answer.substr(end + 1);
    answer = rest.empty() ? answer.substr(status.size()) : rest;
  }
  return one_line(fmt::format("{} {}", letter.status, answer.substr(0, kGroupBytesMax)));
}

void LetterSummary::add(const ListedLetter& listed) {
  DeadLetterTotals& totals = totals_[listed.letter.lane];
  ++totals.count;
  totals.bytes += listed.bytes;
  if (listed.is_requeued()) ++requeued_;
  const std::int64_t since = listed.since_ms();
  oldest_ms_ = std::min(oldest_ms_.value_or(since), since);
  std::string group = reason_group(listed.letter);
  if (groups_.size() >= kGroupsMax && !groups_.contains(group)) group = "(other reasons)";
  const auto [at, is_new] = groups_.try_emplace(std::move(group));
  ReasonCount& reason = at->second;
  ++reason.count;
  reason.oldest_ms = is_new ? since : std::min(reason.oldest_ms, since);
  reason.newest_ms = is_new ? since : std::max(reason.newest_ms, since);
}

std::vector<std::pair<std::string, ReasonCount>> LetterSummary::top(std::size_t most) const {
  std::vector<std::pair<std::string, ReasonCount>> all(groups_.begin(), groups_.end());
  std::ranges::sort(all, [](const auto& a, const auto& b) {
    return std::pair(b.second.count, a.first) < std::pair(a.second.count, b.first);
  });
  if (all.size() > most) all.resize(most);
  return all;
}

}  // namespace sluice::queue
