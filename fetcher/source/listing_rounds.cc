#include "fetcher/source/listing_rounds.h"

#include <algorithm>

namespace sluice::fetcher {
namespace {

std::optional<Day> earlier(std::optional<Day> left, Day right) {
  return left ? std::min(*left, right) : right;
}

}  // namespace

void ListingRounds::begin(TeleportClock::Moment now) {
  current_ = Round{.number = current_.number + 1, .asked = now, .first_failed = {}};
}

void ListingRounds::note_failure(Day day) {
  current_.first_failed = earlier(current_.first_failed, day);
}

void ListingRounds::end() {
  if (ended_.size() == 2) ended_.pop_back();
  ended_.push_back(current_);
}

void ListingRounds::remove_unread(Day day, Number round) {
  auto& days = unread_.at(round);
  if (--days.at(day) > 0) return;
  days.erase(day);
  if (days.empty()) unread_.erase(round);
}

std::optional<Day> ListingRounds::first_missing(const Round& round) const {
  std::optional<Day> first = round.first_failed;
  for (const auto& [number, days] : unread_) {
    if (number > round.number) break;
    first = earlier(first, days.begin()->first);
  }
  return first;
}

std::optional<std::int64_t> ListingRounds::read_up_to_ms(const TeleportClock& clock,
                                                         std::chrono::milliseconds delay) {
  std::optional<std::int64_t> best;
  for (const Round& round : ended_) {
    const auto teleport_ms = clock.at_least_ms(round.asked);
    if (!teleport_ms) continue;
    std::int64_t reached = *teleport_ms - delay.count();
    if (const auto day = first_missing(round)) {
      reached = std::min(reached, to_unix_ms(start_of_day(*day)));
    }
    best = std::max(best.value_or(reached), reached);
  }
  // One that is read as a whole has said all that it can.
  if (ended_.size() == 2 && !first_missing(ended_.front())) ended_.pop_front();
  return best;
}

}  // namespace sluice::fetcher
