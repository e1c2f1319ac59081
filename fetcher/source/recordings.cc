#include "fetcher/source/recordings.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/log.h"
#include "common/message_kinds.h"
#include "fetcher/ingest/item.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

// How often waiting threads look at the clock.
constexpr milliseconds kTick{200};

std::unexpected<Error> stopped() { return fail(ErrorKind::kStopped, "asked to stop"); }

// Skips what was taken before from the front of a stream that was started again.
class Resume {
 public:
  explicit Resume(const RecordingState& state)
      : by_count_(state.by_count || state.last_index < 0 ||
                  state.last_index > std::numeric_limits<std::int32_t>::max()),
        last_index_(state.last_index),
        left_(by_count_ ? state.taken : state.taken_at_index),
        passed_(state.taken == 0) {}

  std::int32_t start_index() const {
    return by_count_ ? 0 : static_cast<std::int32_t>(last_index_);
  }

  // Whether the stream's next event, with this index, was taken before.
  bool skips(std::int64_t index) {
    if (passed_) return false;
    if (by_count_ || index == last_index_) {
      if (left_ > 0) {
        --left_;
        return true;
      }
    } else if (index < last_index_) {
      return true;  // Teleport gave more than was asked for.
    }
    passed_ = true;
    return false;
  }

 private:
  bool by_count_;
  std::int64_t last_index_;
  std::uint64_t left_;
  bool passed_;
};

}  // namespace

Recordings::Recordings(RecordingsOptions options, EventApi* api, LaneBuffers* buffers,
                       const Clock& clock)
    : options_(options),
      api_(*api),
      buffers_(*buffers),
      clock_(clock),
      trouble_(message::kRecordingFails, "cannot fetch a session recording", clock) {
  for (std::uint32_t i = 0; i < std::max(options_.concurrency, 1U); ++i) {
    workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Recordings::~Recordings() {
  for (std::jthread& worker : workers_) worker.request_stop();
}

void Recordings::add(const std::string& sid, const RecordingState& state) {
  const std::lock_guard lock(mutex_);
  const auto [found, added] = recordings_.try_emplace(sid);
  if (!added) {
    if (found->second.ending) found->second.again = state;
    return;
  }
  found->second.state = state;
  ready_.push_back(sid);
  changed_.notify_one();
}

bool Recordings::idle() const {
  const std::lock_guard lock(mutex_);
  return ready_.empty() && active_ == 0 &&
         std::all_of(recordings_.begin(), recordings_.end(),
                     [](const auto& entry) { return entry.second.put_aside; });
}

std::size_t Recordings::pending() const {
  const std::lock_guard lock(mutex_);
  return recordings_.size();
}

std::optional<Error> Recordings::refusal() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [sid, recording] : recordings_) {
    if (recording.refusal) return recording.refusal;
  }
  return std::nullopt;
}

void Recordings::work(const std::stop_token& stop) {
  EventDecoder decoder;
  while (const auto sid = next_recording(stop)) {
    RecordingState state;
    {
      const std::lock_guard lock(mutex_);
      state = recordings_.at(*sid).state;
      recordings_.at(*sid).refusal.reset();
    }
    const auto done = read(*sid, &state, &decoder, stop);
    if (done) {
      trouble_.succeeded();
      finish(*sid);
    } else if (done.error().kind != ErrorKind::kStopped) {
      failed(*sid, state, done.error(), stop);
    }
    const std::lock_guard lock(mutex_);
    --active_;
  }
}

std::optional<std::string> Recordings::next_recording(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto sid = due_recording_unlocked()) {
      ++active_;
      return sid;
    }
    if (waiting_.empty()) {
      changed_.wait(lock, stop, [this] { return !ready_.empty() || !waiting_.empty(); });
    } else {
      changed_.wait_for(lock, stop, kTick, [this] { return !ready_.empty(); });
    }
  }
  return std::nullopt;
}

std::optional<std::string> Recordings::due_recording_unlocked() {
  const milliseconds now = clock_.monotonic();
  std::erase_if(waiting_, [&](const auto& entry) {
    if (entry.second > now) return false;
    ready_.push_back(entry.first);
    return true;
  });
  if (ready_.empty()) return std::nullopt;
  std::string sid = std::move(ready_.front());
  ready_.pop_front();
  return sid;
}

Result<void> Recordings::read(const std::string& sid, RecordingState* state, EventDecoder* decoder,
                              const std::stop_token& stop) {
  Resume resume(*state);
  const auto stream = api_.stream_session(sid, resume.start_index(), stop);
  while (true) {
    SLUICE_ASSIGN(const auto bytes, stream->next());
    if (!bytes) break;
    auto decoded = decoder->decode(*bytes);
    const std::int64_t index = decoded ? decoded->index : decoded.error().index;
    if (resume.skips(index) || state->passes_over(index)) continue;
    state->take(index);
    SLUICE_TRY(push_event(sid, state, std::move(decoded), stop));
  }
  Item mark = mark_of(queue::Lane::kSession, recording_key(sid), std::nullopt);
  mark.also.push_back(StateChange{done_recording_key(sid), format_rfc3339(clock_.now())});
  begin_end(sid);
  if (!buffers_.push(std::move(mark), stop)) return stopped();
  return {};
}

Result<void> Recordings::push_event(const std::string& sid, RecordingState* state,
                                    std::expected<Event, Reject> decoded,
                                    const std::stop_token& stop) {
  const std::string id = fmt::format("{}:{}", sid, state->taken);
  if (decoded) {
    decoded->id = id;
    decoded->sid.clear();
  } else {
    decoded.error().id = id;
  }
  Item item = item_of(queue::Lane::kSession, std::move(decoded));
  item.route = sid;
  item.cursor = StateChange{recording_key(sid), encode_recording_state(*state)};
  if (!buffers_.push(std::move(item), stop)) return stopped();
  return {};
}

// From now on the recording's state may be gone from the queue at any moment, and be written anew
// by a further announcement.
void Recordings::begin_end(const std::string& sid) {
  const std::lock_guard lock(mutex_);
  recordings_.at(sid).ending = true;
}

void Recordings::finish(const std::string& sid) {
  const std::lock_guard lock(mutex_);
  const std::optional<RecordingState> again = recordings_.at(sid).again;
  recordings_.erase(sid);
  if (!again) return;
  recordings_[sid].state = *again;
  ready_.push_back(sid);
  changed_.notify_one();
}

void Recordings::failed(const std::string& sid, RecordingState state, const Error& error,
                        const std::stop_token& stop) {
  trouble_.failed(error.message);
  if (!counts_as_try(error, stop)) {
    const bool refused = error.kind == ErrorKind::kUnauthorized;
    if (refused) {
      const std::lock_guard lock(mutex_);
      recordings_.at(sid).refusal = error;
    }
    retry(sid, state, refused ? options_.refusal_wait : options_.outage_wait, refused);
    return;
  }
  const std::int64_t now_ms = to_unix_ms(clock_.now());
  const milliseconds failing{state.tries == 0 ? 0 : now_ms - state.failing_since_ms};
  if (failing < least_time_of(state.tries)) {
    retry(sid, state, wait_after(state.tries), true);
    return;
  }
  state.count_failure(now_ms);
  if (state.tries >= kTriesMax || (state.tries >= kTriesMin && failing >= kPatience)) {
    give_up(sid, error, stop);
    return;
  }
  Item mark = mark_of(queue::Lane::kSession, recording_key(sid), encode_recording_state(state));
  if (!buffers_.push(std::move(mark), stop)) return;
  // A stream that broke is most often whole the next time; one that is not there takes longer.
  if (error.kind != ErrorKind::kNotFound && state.tries <= kQuickTries) {
    retry(sid, state, options_.quick_wait, false);
    return;
  }
  retry(sid, state, wait_after(state.tries), true);
}

// Behind so many failed tries of a recording that is not there.
milliseconds Recordings::wait_after(std::uint32_t tries) const {
  return std::min(options_.retry_min * (std::int64_t{1} << (tries - 1)), options_.retry_max);
}

// Before which so many failed tries and the waits behind them are not over, unless the daemon was
// started anew meanwhile. The quick ones are short enough not to be counted here.
milliseconds Recordings::least_time_of(std::uint32_t tries) const {
  milliseconds time{};
  for (std::uint32_t i = kQuickTries + 1; i <= tries; ++i) time += wait_after(i);
  return time;
}

// Whether the recording is to blame, and not the way to Teleport.
bool Recordings::counts_as_try(const Error& error, const std::stop_token& stop) {
  if (error.kind == ErrorKind::kUnauthorized) return false;
  if (error.kind != ErrorKind::kUnavailable) return true;
  return api_.ping(stop).has_value();
}

void Recordings::give_up(const std::string& sid, const Error& error, const std::stop_token& stop) {
  log_message(message::kRecordingGivenUp, {.lane = "session", .session_id = sid},
              "the recording of session {} is given up, what is missing of it will not be fetched: "
              "{}",
              sid, error.message);
  begin_end(sid);
  Item mark = mark_of(queue::Lane::kSession, recording_key(sid), std::nullopt);
  mark.also.push_back(
      StateChange{std::string(kLostRecordingPrefix).append(sid),
                  fmt::format("{} {}", format_rfc3339(clock_.now()), error.message)});
  if (buffers_.push(std::move(mark), stop)) finish(sid);
}

void Recordings::retry(const std::string& sid, const RecordingState& state, milliseconds wait,
                       bool put_aside) {
  const std::lock_guard lock(mutex_);
  Recording& recording = recordings_.at(sid);
  recording.state = state;
  recording.put_aside = put_aside;
  waiting_.insert_or_assign(sid, clock_.monotonic() + wait);
  changed_.notify_one();
}

}  // namespace sluice::fetcher
