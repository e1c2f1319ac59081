#include "shipper/lane_shipper.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "shipper/answer.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kIdleWaitMax{1000};
// The longest that an acceptance waits for others before it is committed.
constexpr milliseconds kGatherMax{20};

ReadAheadOptions read_ahead_options(const LaneOptions& options) {
  return {.lane = options.lane,
          .batch_events = options.batch_events,
          .batch_bytes = options.batch_bytes,
          .records_max = options.batch_events * options.connections,
          .bytes_max = options.batch_bytes * options.connections,
          .strict_order = options.connections == 1 && !options.regroups,
          .linger = options.linger};
}

std::vector<Destination> destinations(const LaneOptions& options) {
  SLUICE_CHECK(!options.urls.empty(), "a lane must have somewhere to send to");
  std::vector<Destination> destinations;
  for (const std::string& url : options.urls) destinations.emplace_back(options.lane, url);
  return destinations;
}

SendSample::Outcome outcome_of(const fluentd::Answer& answer) {
  if (answer.failure) {
    return answer.failure->time_limit ? SendSample::Outcome::kTimeLimit
                                      : SendSample::Outcome::kOther;
  }
  if (is_overload(answer)) return SendSample::Outcome::kOverloaded;
  switch (verdict_of(answer)) {
    case Verdict::kAccepted:
      return SendSample::Outcome::kAccepted;
    case Verdict::kTooLarge:
      return SendSample::Outcome::kTooLarge;
    default:
      return SendSample::Outcome::kOther;
  }
}

}  // namespace

LaneShipper::LaneShipper(const LaneOptions& options, const LaneParts& parts,
                         const queue::LaneProgress& progress)
    : options_(options),
      parts_(parts),
      destinations_(destinations(options)),
      failover_(options.urls.size()),
      ahead_(read_ahead_options(options), parts.source, progress),
      gate_(new_backoff()),
      limits_(new_limits()) {
  apply_limits();
}

AdaptiveLimits LaneShipper::new_limits() const {
  return AdaptiveLimits({.events = options_.batch_events,
                         .bytes = options_.batch_bytes,
                         .requests = options_.connections},
                        options_.adaptive);
}

Backoff LaneShipper::new_backoff() const { return Backoff(options_.retry_min, options_.retry_max); }

Result<void> LaneShipper::step() {
  if (ended_) return fail(*ended_);
  auto done = send();
  if (done) done = receive(wait_max());
  if (!done) ended_ = done.error();
  return done;
}

Result<void> LaneShipper::finish(milliseconds patience, const std::stop_token& hurry) {
  if (!ended_) ended_ = Error{ErrorKind::kStopped, "the lane has been stopped"};
  auto deadline = parts_.clock->monotonic() + patience;
  bool is_hurried = false;
  Result<void> done;
  while (done && may_commit_ && !flights_.empty()) {
    if (!is_hurried && hurry.stop_requested()) {
      is_hurried = true;
      deadline = std::min(deadline, parts_.clock->monotonic() + kFinishPatience);
    }
    const auto left = deadline - parts_.clock->monotonic();
    if (left.count() <= 0) break;
    done = receive(std::min(left, kIdleWaitMax));
  }
  if (done && may_commit_) done = commit();
  drop_flights();
  return done;
}

// Whoever ships next sends these events again.
void LaneShipper::drop_flights() {
  for (const Slot& slot : slots_) parts_.counters->resent_unknown += slot.doubtful_events();
  parts_.transport->cancel_all();
  for (const auto& [id, flight] : flights_) {
    if (parts_.tally != nullptr) parts_.tally->refused(flight.events, false);
  }
  flights_.clear();
  slots_.clear();
}

Result<void> LaneShipper::send() {
  more_to_read_ = false;
  while (may_send(parts_.clock->monotonic())) {
    leave_out_taken();
    // What is finished keeps its slot until it is committed.
    if (!left_out_.empty() && finished_.empty()) {
      slots_.remove_if([](const Slot& slot) { return slot.is_done(); });
    }
    SLUICE_ASSIGN(Slot * slot, next_slot(parts_.clock->monotonic()));
    // A number that was taken out meanwhile must not be in it.
    leave_out_taken();
    if (slot == nullptr) return {};
    if (!slot->is_done()) send(slot);
  }
  return {};
}

void LaneShipper::apply_limits() {
  const SendLimits& limits = limits_->limits();
  ahead_.limit_batches(limits.events, limits.bytes);
  parts_.counters->batch_events_max = limits.events;
  parts_.counters->requests_at_once_max = limits.requests;
}

void LaneShipper::leave_out_taken() {
  const auto taken = parts_.sink->taken_out(options_.lane, &taken_out_mark_);
  if (!taken.empty()) {
    left_out_.insert(taken.begin(), taken.end());
    ahead_.leave_out(left_out_);
  }
  if (left_out_.empty()) return;
  for (Slot& slot : slots_) {
    if (!slot.in_flight()) slot.leave_out(left_out_);
  }
}

// With a witness there are more slots than connections, and what is finished and not committed
// would be sent again by a crash as what is in flight.
bool LaneShipper::may_send(milliseconds now) const {
  if (slots_.size() > options_.connections && !finished_.empty()) return false;
  return flights_.size() < limits_->limits().requests && now >= may_send_at_ && gate_.may_send(now);
}

Result<Slot*> LaneShipper::next_slot(milliseconds now) {
  if (!gate_.is_open() && may_probe_with_new_batch()) {
    SLUICE_ASSIGN(Slot * fresh, slot_for_new_batch());
    if (fresh != nullptr) return fresh;
  }
  if (Slot* slot = slot_to_send_again(now)) return slot;
  if (!gate_.is_open() && has_probe()) return nullptr;
  return slot_for_new_batch();
}

// Whether a batch under way will show by itself if the sink takes anything again. Those that were
// tried may all have been taken out by hand, or wait for room.
bool LaneShipper::has_probe() const {
  return std::any_of(slots_.begin(), slots_.end(), [this](const Slot& slot) {
    return slot.in_flight() || (!slot.is_done() && !waits_for_room(slot));
  });
}

// The oldest; for a probe the one that was not tried for longest, so that a batch which the sink
// alone refuses cannot stand for all others.
Slot* LaneShipper::slot_to_send_again(milliseconds now) {
  Slot* best = nullptr;
  for (Slot& slot : slots_) {
    if (slot.in_flight() || slot.is_done() || slot.not_before() > now) continue;
    if (waits_for_room(slot)) continue;
    if (best == nullptr || (!gate_.is_open() && slot.last_sent() < best->last_sent())) best = &slot;
  }
  return best;
}

// Whether some of what was just answered has been taken out: what is left has not been judged.
bool LaneShipper::takes_out_of_front(Slot* slot) {
  const queue::Seq first = slot->piece().batch.first();
  const std::size_t size = slot->piece().batch.size();
  leave_out_taken();
  return slot->is_done() || slot->piece().batch.first() != first ||
         slot->piece().batch.size() != size;
}

bool LaneShipper::waits_for_room(const Slot& slot) const {
  return slot.piece().waits_for_room &&
         parts_.sink->no_room_for_letters(options_.lane, finished_.set_aside.size()).has_value();
}

// While the sink can be reached, its errors may be the fault of the batches that were tried. Once
// each of them was tried again, a new one is worth a probe.
bool LaneShipper::may_probe_with_new_batch() const {
  const unsigned failures_min = refuses_everything() ? 1 : 2;
  return last_failure_was_sent_ &&
         std::all_of(slots_.begin(), slots_.end(), [failures_min](const Slot& slot) {
           return !slot.in_flight() && slot.failures() >= failures_min;
         });
}

// Whether only a batch that is not under way yet can show if the sink takes other events.
bool LaneShipper::needs_witness() const {
  if (refuses_everything()) return true;
  return std::any_of(slots_.begin(), slots_.end(), [this](const Slot& slot) {
    return !slot.is_done() && slot.piece().suspect_answers >= kSuspectAnswersMax &&
           slot.piece().accepted_at_error == accepted_;
  });
}

// The witness has a slot besides. Requests in flight are no more for it, and what is finished is
// committed before: it counts as in flight.
std::size_t LaneShipper::slots_max() const {
  return options_.connections + (finished_.empty() && needs_witness() ? 1 : 0);
}

// After records that are not to be sent it reads no more in this step, so that a long run of them
// holds up neither a stop nor answers.
Result<Slot*> LaneShipper::slot_for_new_batch() {
  while (slots_.size() < slots_max()) {
    const auto now = parts_.clock->monotonic();
    if (auto batch = ahead_.take(busy_routes(), now)) {
      nothing_new_ = false;
      return &slots_.emplace_back(std::move(*batch), new_backoff());
    }
    if (more_to_read_) return nullptr;
    SLUICE_ASSIGN(const bool may_read, pass_held_back());
    if (!may_read) return nullptr;
    bool found = false;
    SLUICE_ASSIGN(auto not_to_be_sent, ahead_.fill(&found, now));
    nothing_new_ = !found;
    if (!found) return nullptr;
    more_to_read_ = !not_to_be_sent.empty();
    pass(std::move(not_to_be_sent));
    SLUICE_TRY(commit());
  }
  return nullptr;
}

// False: there are still rejects for which there is no room, so nothing behind them is read.
Result<bool> LaneShipper::pass_held_back() {
  if (held_back_.empty()) return true;
  pass(std::exchange(held_back_, {}));
  SLUICE_TRY(commit());
  if (held_back_.empty()) parts_.observer->on_healed();
  return held_back_.empty();
}

std::set<std::string, std::less<>> LaneShipper::busy_routes() const {
  std::set<std::string, std::less<>> routes;
  if (options_.lane == queue::Lane::kAudit) return routes;
  for (const Slot& slot : slots_) routes.insert(slot.route());
  return routes;
}

// What failed, and has more events than is good for the sink now, goes on in parts.
void LaneShipper::fit(Slot* slot) const {
  if (slot->piece().attempts == 0) return;
  while (slot->piece().batch.size() > limits_->limits().events) slot->split_piece();
}

void LaneShipper::send(Slot* slot) {
  fit(slot);
  const std::uint64_t request_id = ++last_request_id_;
  const auto now = parts_.clock->monotonic();
  const std::size_t url = failover_.choose(gate_.is_open(), now);
  slot->sent(request_id, now, to_unix_ms(parts_.clock->now()));
  gate_.sent(request_id);
  ++parts_.counters->requests;
  const Batch& batch = slot->piece().batch;
  parts_.counters->sent_events += batch.size();
  parts_.counters->sent_bytes += batch.body_bytes();
  std::string body = batch.body(options_.body, options_.stamp);
  if (parts_.tally != nullptr) parts_.tally->sent(batch.size());
  if (parts_.rate != nullptr) may_send_at_ = parts_.rate->sent(batch.size(), body.size(), now);
  flights_.emplace(request_id, Flight{.slot = slot,
                                      .url = url,
                                      .sent_at = now,
                                      .events = batch.size(),
                                      .bytes = batch.body_bytes(),
                                      .in_flight = flights_.size() + 1});
  parts_.transport->start(request_id, destinations_[url].url_for(slot->route()), std::move(body));
}

Result<void> LaneShipper::receive(milliseconds timeout) {
  if (!finished_.empty()) timeout = std::min(timeout, time_to_gather());
  std::optional<Error> unreachable;
  for (const auto& answer : parts_.transport->poll(timeout)) {
    apply(answer);
    reached_sink_ = reached_sink_ || !answer.failure;
    if (answer.failure && !unreachable) {
      unreachable = Error{answer.failure->kind, describe(answer, present_url())};
    }
  }
  if (time_to_gather().count() == 0) SLUICE_TRY(commit());
  const bool is_hopeless = !reached_sink_ && failover_.has_tried_all();
  if (unreachable && is_hopeless && !options_.patient) return fail(std::move(*unreachable));
  return {};
}

void LaneShipper::apply(const fluentd::Answer& answer) {
  if (finished_.empty()) finished_at_ = parts_.clock->monotonic();
  const auto found = flights_.find(answer.request_id);
  SLUICE_CHECK(found != flights_.end(), "each request must be answered once");
  const Flight flight = found->second;
  flights_.erase(found);
  flight.slot->answered();
  count(answer, &flight.slot->piece());
  learn(flight, answer);
  measure(flight, answer);
  tell_tally(answer, flight.events);
  const Verdict verdict = verdict_of(answer);
  if (verdict == Verdict::kAccepted) return accept(flight);
  if (takes_out_of_front(flight.slot)) {
    end_try(flight);
    return gate_.inconclusive(answer.request_id);
  }
  switch (verdict) {
    case Verdict::kAccepted:
      break;
    case Verdict::kTooLarge:
    case Verdict::kRefused:
      return refuse(flight, answer);
    case Verdict::kRetry:
    case Verdict::kConfiguration:
      return retry_later(flight, answer);
  }
}

void LaneShipper::learn(const Flight& flight, const fluentd::Answer& answer) {
  if (flight.url != failover_.current()) return;
  const auto now = parts_.clock->monotonic();
  const bool is_known = answer.round_trip.count() > 0;
  limits_->answered({.events = flight.events,
                     .bytes = flight.bytes,
                     .in_flight = flight.in_flight,
                     .round_trip = is_known ? answer.round_trip : now - flight.sent_at,
                     .outcome = outcome_of(answer)},
                    now);
  apply_limits();
}

void LaneShipper::measure(const Flight& flight, const fluentd::Answer& answer) {
  const bool has_status = !answer.failure && answer.status >= 100 && answer.status < 600;
  ++parts_.counters->answers[has_status ? static_cast<std::size_t>(answer.status) / 100 : 0];
  parts_.counters->send_duration.add(parts_.clock->monotonic() - flight.sent_at);
  if (verdict_of(answer) != Verdict::kAccepted) return;
  const std::int64_t now = to_unix_ms(parts_.clock->now());
  for (const RecordPtr& record : flight.slot->piece().batch.records()) {
    parts_.counters->delivery_lag.add(milliseconds{now - record->record.fetched_at_ms});
    parts_.counters->end_to_end_lag.add(milliseconds{now - to_unix_ms(record->record.time)});
  }
}

void LaneShipper::count(const fluentd::Answer& answer, Piece* piece) {
  const auto events = piece->batch.size();
  parts_.counters->resent_hidden += answer.hidden_resends * events;
  // An attempt that reached no server repeats nothing, and leaves the earlier doubt as it was.
  const bool was_sent = !answer.failure || answer.outcome_unknown;
  if (!was_sent) return;
  if (piece->outcome_unknown) parts_.counters->resent_unknown += events;
  // A server that failed may have stored some of it first.
  piece->outcome_unknown = answer.outcome_unknown || answer.status >= 500;
}

void LaneShipper::tell_tally(const fluentd::Answer& answer, std::size_t events) {
  if (parts_.tally == nullptr) return;
  if (verdict_of(answer) == Verdict::kAccepted) {
    parts_.tally->accepted(events);
  } else {
    parts_.tally->refused(events, answer.failure.has_value());
  }
}

const std::string& LaneShipper::present_url() const {
  return destinations_[failover_.current()].base_url();
}

// Of another server nothing is known.
void LaneShipper::go_to_other_url(std::string_view reason) {
  limits_.emplace(new_limits());
  apply_limits();
  parts_.observer->on_other_url(present_url(), reason);
}

void LaneShipper::sink_served(std::size_t url) {
  ++served_;
  if (failover_.served(url)) go_to_other_url("it works again, and is preferred");
  if (!gate_.is_open()) parts_.observer->on_healed();
  gate_.served();
}

void LaneShipper::accept(const Flight& flight) {
  Slot* slot = flight.slot;
  sink_served(flight.url);
  ++accepted_;
  if (slot->piece().attempts == 1) ++first_tries_.accepted;
  lone_refusals_ = 0;
  doubts_ = 0;
  if (slot->failures() > 0) parts_.observer->on_healed();
  const auto& records = slot->piece().batch.records();
  finished_.acknowledged.insert(finished_.acknowledged.end(), records.begin(), records.end());
  slot->finish_piece();
}

void LaneShipper::refuse(const Flight& flight, const fluentd::Answer& answer) {
  const Piece& piece = flight.slot->piece();
  // Refused before and after others were accepted, so that there is no doubt about the sink.
  const bool is_certain = piece.accepted_at_doubt && *piece.accepted_at_doubt < accepted_;
  if (refuses_everything() && !is_certain) return doubt(flight, answer);
  sink_served(flight.url);
  if (piece.batch.size() > 1) return flight.slot->split_piece();
  if (const auto why =
          parts_.sink->no_room_for_letters(options_.lane, finished_.set_aside.size())) {
    ++parts_.counters->requests_failed;
    parts_.observer->on_failure(*why, &piece.batch);
    return flight.slot->wait_for_room();
  }
  if (!is_certain) ++lone_refusals_;
  set_aside(flight, answer);
}

// Events that were refused one by one with none accepted in between: rather than all events being
// at fault, something in front of the sink refuses whatever comes. Other pieces are tried, a few at
// once and then one after each wait, until one is accepted.
void LaneShipper::doubt(const Flight& flight, const fluentd::Answer& answer) {
  ++parts_.counters->requests_failed;
  ++doubts_;
  end_try(flight);
  flight.slot->piece().accepted_at_doubt = accepted_;
  const bool has_others = flight.slot->turn_to_another_piece();
  if (has_others && gate_.is_open() && doubts_ <= kHastyProbesMax) return;
  parts_.observer->on_failure(describe_refusal_of_all(answer, destinations_[flight.url].base_url()),
                              nullptr);
  postpone(flight, answer, milliseconds{0});
}

// Whether the sink has accepted others since it failed on this piece before. Its silence may be
// that of a buffer that is full and takes a batch now and then: what counts then is that batches
// pass at their first try, and far more of them than do not.
bool LaneShipper::others_pass(const fluentd::Answer& answer, const Piece& piece) const {
  if (!answer.is_silent) return accepted_ > piece.accepted_at_error;
  const auto accepted = first_tries_.accepted - piece.first_tries_at_error.accepted;
  const auto silent = first_tries_.silent - piece.first_tries_at_error.silent;
  return accepted > 2 * silent;
}

// Whether the sink fails on this piece alone. A piece of several events is only taken apart for it,
// so that one acceptance is enough; for a single event each failure counts only if others were
// accepted since the one before, so that no outage makes dead letters.
bool LaneShipper::fails_alone(const fluentd::Answer& answer, Slot* slot) const {
  if (!may_be_an_events_fault(answer)) return false;
  Piece& piece = slot->piece();
  if (piece.suspect_answers > 0 && others_pass(answer, piece)) ++piece.errors_alone;
  ++piece.suspect_answers;
  piece.accepted_at_error = accepted_;
  piece.first_tries_at_error = first_tries_;
  if (piece.batch.size() > 1) {
    const unsigned most = answer.is_silent ? kSilencesMax : kSuspectAnswersMax;
    return piece.errors_alone > 0 && piece.suspect_answers >= most;
  }
  const bool is_likely = slot->has_culprit() && verdict_of(answer) == Verdict::kConfiguration;
  if (piece.errors_alone < (is_likely ? kSuspectAnswersAfterOneMax : kSuspectAnswersMax)) {
    return false;
  }
  slot->note_culprit();
  return true;
}

// Whether it was a try of the preferred URL that was not served, or is late news of one that was
// given up. What was sent goes on with the others.
bool LaneShipper::end_try(const Flight& flight) {
  if (flight.url == failover_.current()) return false;
  failover_.failed(flight.url, parts_.clock->monotonic());
  return true;
}

void LaneShipper::retry_later(const Flight& flight, const fluentd::Answer& answer) {
  ++parts_.counters->requests_failed;
  if (end_try(flight)) return;
  Piece& piece = flight.slot->piece();
  if (answer.is_silent && piece.attempts == 1) ++first_tries_.silent;
  piece.chunk_limit_refusals = is_chunk_limit_refusal(answer) ? piece.chunk_limit_refusals + 1 : 0;
  const bool is_at_fault = fails_alone(answer, flight.slot);
  const std::string& url = destinations_[flight.url].base_url();
  parts_.observer->on_failure(
      piece.errors_alone > 0 ? describe_of_one(answer, url) : describe_for_all(answer, url),
      &piece.batch);
  if (is_at_fault || piece.chunk_limit_refusals >= kChunkLimitTriesMax) {
    return refuse(flight, answer);
  }
  if (answer.is_silent && is_time_for_parts(piece)) flight.slot->turn_to_another_piece();
  postpone(flight, answer, retry_after(answer));
}

// Whether the batch's own parts are to show whose fault a silence is, because no other batch does.
// What is stored again at each silent try becomes less by it.
bool LaneShipper::is_time_for_parts(const Piece& piece) const {
  if (nothing_new_) return piece.suspect_answers >= kSilencesMax;
  return piece.suspect_answers % kSilencesOfAllMax == 0;
}

// What no other URL makes up for, and what is no fault of one batch, will not pass quickly if it is
// the configuration that is wrong.
void LaneShipper::postpone(const Flight& flight, const fluentd::Answer& answer,
                           milliseconds wait_min) {
  const auto now = parts_.clock->monotonic();
  last_failure_was_sent_ = !answer.failure || answer.outcome_unknown;
  if (flight.slot->fail(served_, now, wait_min)) return gate_.inconclusive(answer.request_id);
  const bool is_configuration = verdict_of(answer) == Verdict::kConfiguration;
  const bool may_pass = !is_configuration || !failover_.has_tried_all();
  const bool counts =
      gate_.failed(answer.request_id, now, may_pass ? wait_min : options_.retry_max);
  if (!counts || !is_failure_of_sink(answer) || !failover_.failed(flight.url, now)) return;
  go_to_other_url(describe(answer, destinations_[flight.url].base_url()));
  if (!failover_.has_tried_all()) gate_.try_at_once();
}

void LaneShipper::set_aside(const Flight& flight, const fluentd::Answer& answer) {
  const Piece& piece = flight.slot->piece();
  const RecordPtr& record = piece.batch.records().front();
  auto letter = queue::DeadLetter::of(options_.lane, *record);
  letter.reason = describe(answer, destinations_[flight.url].url_for(flight.slot->route()));
  letter.status = static_cast<std::uint32_t>(answer.status);
  letter.answer = answer.body.substr(0, kDeadLetterAnswerBytesMax);
  letter.attempts = piece.attempts;
  letter.first_at_ms = piece.first_at_ms;
  letter.last_at_ms = piece.last_at_ms;
  finished_.set_aside.push_back({record, std::move(letter)});
  flight.slot->finish_piece();
}

void LaneShipper::pass(std::vector<RecordPtr> not_to_be_sent) {
  for (auto& record : not_to_be_sent) {
    if (record->record.kind == queue::RecordKind::kGap) {
      finished_.gaps.push_back(std::move(record));
      continue;
    }
    const auto no_room =
        parts_.sink->no_room_for_letters(options_.lane, finished_.set_aside.size());
    if (no_room) {
      parts_.observer->on_failure(*no_room, nullptr);
      held_back_.push_back(std::move(record));
      continue;
    }
    auto letter = queue::DeadLetter::of(options_.lane, *record);
    letter.reason = record->record.note;
    finished_.set_aside.push_back({std::move(record), std::move(letter)});
  }
}

// How long what is finished may still wait for answers under way, to share a commit with them: as
// long as the last commit took. Each slot waits for a commit; where the disk is slow, a commit for
// each answer would be what limits the lane.
milliseconds LaneShipper::time_to_gather() const {
  if (finished_.empty() || flights_.empty()) return milliseconds{0};
  const auto waited = parts_.clock->monotonic() - finished_at_;
  return std::max(milliseconds{0}, std::min(commit_took_, kGatherMax) - waited);
}

Result<void> LaneShipper::commit() {
  if (finished_.empty()) return {};
  const auto begin = parts_.clock->monotonic();
  if (auto done = parts_.sink->commit(options_.lane, finished_); !done) {
    may_commit_ = false;
    return done;
  }
  commit_took_ = parts_.clock->monotonic() - begin;
  parts_.counters->commit_duration.add(commit_took_);
  parts_.counters->acknowledged += finished_.acknowledged.size();
  parts_.counters->set_aside += finished_.set_aside.size();
  parts_.counters->gaps += finished_.gaps.size();
  for (const auto& [record, letter] : finished_.set_aside) {
    parts_.counters->dead_letters.add(letter);
    parts_.observer->on_dead_letter(letter);
  }
  finished_ = {};
  slots_.remove_if([](const Slot& slot) { return slot.is_done(); });
  return {};
}

milliseconds LaneShipper::wait_max() const {
  if (more_to_read_) return milliseconds{0};
  const auto now = parts_.clock->monotonic();
  auto wait = gate_.wait(now).value_or(kIdleWaitMax);
  if (may_send_at_ > now) wait = std::min(wait, may_send_at_ - now);
  if (const auto lingers = ahead_.wait(now); lingers && slots_.size() < slots_max()) {
    wait = std::min(wait, *lingers);
  }
  for (const Slot& slot : slots_) {
    if (!slot.in_flight() && slot.not_before() > now) {
      wait = std::min(wait, slot.not_before() - now);
    }
  }
  return std::min(wait, kIdleWaitMax);
}

}  // namespace sluice::shipper
