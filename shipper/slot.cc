#include "shipper/slot.h"

#include <algorithm>

namespace sluice::shipper {

using std::chrono::milliseconds;

Slot::Slot(Batch batch, Backoff backoff) : route_(batch.route()), backoff_(backoff) {
  pieces_.emplace_back(std::move(batch));
}

void Slot::sent(std::uint64_t request_id, milliseconds now, std::int64_t unix_ms) {
  request_id_ = request_id;
  last_sent_ = now;
  Piece& sent_piece = piece();
  if (sent_piece.attempts == 0) sent_piece.first_at_ms = unix_ms;
  sent_piece.last_at_ms = unix_ms;
  ++sent_piece.attempts;
}

std::size_t Slot::doubtful_events() const {
  std::size_t events = 0;
  for (const Piece& one : pieces_) {
    const bool is_in_flight = in_flight() && &one == &pieces_.front();
    if (is_in_flight || one.outcome_unknown) events += one.batch.size();
  }
  return events;
}

void Slot::finish_piece() {
  pieces_.pop_front();
  failures_ = 0;
  not_before_ = milliseconds{0};
  backoff_.reset();
}

void Slot::split_piece() {
  const Piece whole = std::move(pieces_.front());
  pieces_.pop_front();
  auto [earlier, later] = whole.batch.halves();
  Piece first = whole;
  first.batch = std::move(earlier);
  Piece second = whole;
  second.batch = std::move(later);
  // What the whole did wrong is no evidence against a single event.
  for (Piece* half : {&first, &second}) {
    if (half->batch.size() == 1) half->suspect_answers = half->errors_alone = 0;
  }
  pieces_.push_front(std::move(second));
  pieces_.push_front(std::move(first));
}

bool Slot::turn_to_another_piece() {
  if (piece().batch.size() > 1) split_piece();
  if (pieces_.size() == 1) return false;
  pieces_.push_back(std::move(pieces_.front()));
  pieces_.pop_front();
  return true;
}

void Slot::leave_out(const std::set<queue::Seq>& numbers) {
  for (Piece& one : pieces_) {
    if (one.batch.leave_out(numbers) == 0) continue;
    // What was answered says nothing of what is left.
    one.accepted_at_doubt.reset();
    one.suspect_answers = one.errors_alone = one.chunk_limit_refusals = 0;
  }
  std::erase_if(pieces_, [](const Piece& one) { return one.batch.size() == 0; });
}

void Slot::wait_for_room() {
  piece().waits_for_room = true;
  std::ranges::rotate(pieces_, std::next(pieces_.begin()));
}

bool Slot::fail(std::uint64_t served, milliseconds now, milliseconds wait_min) {
  const bool is_own = failures_ > 0 && served > served_at_failure_;
  ++failures_;
  served_at_failure_ = served;
  if (is_own) not_before_ = now + std::max(backoff_.next(), wait_min);
  return is_own;
}

}  // namespace sluice::shipper
