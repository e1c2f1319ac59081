// A batch under way: from its first request until everything in it is durably finished.
//
// When the sink refuses the batch for one of its events, or for its size, it is taken apart into
// pieces, which are sent one after the other; so a slot never has more than one request in flight,
// and a lane never has more events in flight than it has slots times events in a batch.
//
// One thread.
#ifndef SLUICE_SHIPPER_SLOT_H_
#define SLUICE_SHIPPER_SLOT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/backoff.h"
#include "shipper/batch.h"

namespace sluice::shipper {

// How many batches the sink took when they were sent for the first time, and on how many it was
// silent then.
struct FirstTries {
  std::uint64_t accepted = 0;
  std::uint64_t silent = 0;
};

// A part of a slot's batch, with the history of its events.
struct Piece {
  explicit Piece(Batch events) : batch(std::move(events)) {}

  Batch batch;
  std::uint64_t attempts = 0;
  std::int64_t first_at_ms = 0;  // unix time of the first attempt, and of the last
  std::int64_t last_at_ms = 0;
  unsigned chunk_limit_refusals = 0;  // in a row
  // The lane's acceptances when it was refused and that was not believed.
  std::optional<std::uint64_t> accepted_at_doubt;
  unsigned suspect_answers = 0;         // that may be an event's fault, though they look otherwise
  unsigned errors_alone = 0;            // those with other events accepted since the one before
  std::uint64_t accepted_at_error = 0;  // the lane's acceptances when the last one came
  FirstTries first_tries_at_error;      // and how its first tries had gone
  bool outcome_unknown = false;         // an earlier attempt may have been stored
  bool waits_for_room = false;          // it is refused, and there is no room for a dead letter
};

class Slot {
 public:
  Slot(Batch batch, Backoff backoff);

  const std::string& route() const { return route_; }
  bool is_done() const { return pieces_.empty(); }
  Piece& piece() { return pieces_.front(); }  // in flight, or the next to be sent
  const Piece& piece() const { return pieces_.front(); }

  bool in_flight() const { return request_id_.has_value(); }
  // Events that the sink may have stored and that are not known to be: the piece in flight, and
  // those whose last attempt was of unknown outcome.
  std::size_t doubtful_events() const;
  void sent(std::uint64_t request_id, std::chrono::milliseconds now, std::int64_t unix_ms);
  void answered() { request_id_.reset(); }
  std::chrono::milliseconds last_sent() const { return last_sent_; }

  // The front piece is finished.
  void finish_piece();
  // Whether an event of this batch was found at fault by suspect answers. It may not be the only
  // one, as when it is the recording's URL that is refused.
  bool has_culprit() const { return has_culprit_; }
  void note_culprit() { has_culprit_ = true; }
  // Replaces the front piece by its two halves.
  void split_piece();
  // Moves the front piece behind all others, halved if it has several events. False: there is no
  // other.
  bool turn_to_another_piece();

  // Takes out the events with these numbers; not while it is in flight.
  void leave_out(const std::set<queue::Seq>& numbers);
  // There is no room to set the front piece aside: it goes behind all others.
  void wait_for_room();

  // A failure that may pass. `served` is the lane's count of answers that showed the sink at work.
  // True: others were served since this slot's previous failure, so the cause is this batch itself,
  // which then waits by its own backoff.
  bool fail(std::uint64_t served, std::chrono::milliseconds now,
            std::chrono::milliseconds wait_min);
  unsigned failures() const { return failures_; }  // since the last finished piece
  std::chrono::milliseconds not_before() const { return not_before_; }

 private:
  std::string route_;
  std::deque<Piece> pieces_;
  std::optional<std::uint64_t> request_id_;
  Backoff backoff_;
  std::chrono::milliseconds last_sent_{0};
  std::chrono::milliseconds not_before_{0};
  unsigned failures_ = 0;
  bool has_culprit_ = false;
  std::uint64_t served_at_failure_ = 0;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_SLOT_H_
