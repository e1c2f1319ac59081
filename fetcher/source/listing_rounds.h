// Which chunks that Teleport has listed are not read yet, and so up to where all is.
//
// All days are listed again and again, a round after the other. What a round has found is read
// while later rounds go on, so a round is believed as a whole only once every chunk that was found
// in it or before is finished. Of the rounds that wait for that, the oldest and the newest are
// kept. Not thread-safe.
#ifndef SLUICE_FETCHER_SOURCE_LISTING_ROUNDS_H_
#define SLUICE_FETCHER_SOURCE_LISTING_ROUNDS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "common/time.h"
#include "fetcher/source/teleport_clock.h"

namespace sluice::fetcher {

class ListingRounds {
 public:
  using Number = std::uint64_t;

  // A round begins now.
  void begin(TeleportClock::Moment now);
  // Of the round under way, or the last one; 0 before the first.
  Number number() const { return current_.number; }
  // Of the round under way: this day could not be listed.
  void note_failure(Day day);
  // Every day was listed, or noted as failed.
  void end();
  // The rounds that have ended did not know of a chunk that has turned up in a day of theirs.
  void disbelieve_ended() { ended_.clear(); }

  // A chunk of this day was found in this round (0: before the first), or is finished.
  void add_unread(Day day, Number round) { ++unread_[round][day]; }
  void remove_unread(Day day, Number round);

  // Everything before this Unix time is read, if Teleport needs at most `delay` to put an event
  // into a chunk. Nothing: not known.
  std::optional<std::int64_t> read_up_to_ms(const TeleportClock& clock,
                                            std::chrono::milliseconds delay);

 private:
  struct Round {
    Number number = 0;
    TeleportClock::Moment asked;
    std::optional<Day> first_failed;
  };
  // The first day that was not all read as of that round.
  std::optional<Day> first_missing(const Round& round) const;

  Round current_;
  std::deque<Round> ended_;  // at most two
  std::map<Number, std::map<Day, std::size_t>> unread_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_LISTING_ROUNDS_H_
