// Fetches the session recordings that session.upload events have announced, into the session lane.
//
// Each recording is one source with its own state (recording_state.h), which the ingest loop saves
// together with the announcement; when the recording was read to its end, a mark erases it and
// notes that it is done. Several are streamed at once. Every event of a recording gets the id
// SID:N, N counting all its events from 1 before any filter: so ids are unique in the lane, and the
// same after a restart.
//
// A recording that is not there (yet), or goes on failing while Teleport answers otherwise, is put
// aside and tried again with growing waits. It is given up, with an error in the log and a note in
// the state, after kTriesMax failed tries one after the other, or when they have gone on for
// kPatience and were kTriesMin at least: time in which nothing was tried says nothing about a
// recording. A start tries at once, and a failure that comes before the waits of those before it
// are over does not count, so a daemon that is started often gives up nothing sooner. Failures of
// the connection, and refusals of our identity, are waited out however long they last. None of this
// holds up audit events.
#ifndef SLUICE_FETCHER_SOURCE_RECORDINGS_H_
#define SLUICE_FETCHER_SOURCE_RECORDINGS_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/event_api.h"
#include "fetcher/source/recording_state.h"
#include "fetcher/transcode/event.h"

namespace sluice::fetcher {

struct RecordingsOptions {
  std::uint32_t concurrency = 5;
  std::chrono::milliseconds quick_wait{2'000};  // before each of the first tries of a broken stream
  std::chrono::milliseconds retry_min{60'000};  // doubles with each failed try
  std::chrono::milliseconds retry_max{6 * 3'600'000};
  std::chrono::milliseconds outage_wait{10'000};    // while Teleport does not answer
  std::chrono::milliseconds refusal_wait{300'000};  // while our identity may not have it
};

class Recordings {
 public:
  static constexpr std::uint32_t kTriesMax = 16;
  static constexpr std::uint32_t kTriesMin = 5;
  static constexpr std::uint32_t kQuickTries = 3;
  static constexpr std::chrono::milliseconds kPatience{48 * 3'600'000};

  // Starts its threads. `api`, `buffers` and `clock` must outlive it. The destructor stops and
  // joins.
  Recordings(RecordingsOptions options, EventApi* api, LaneBuffers* buffers, const Clock& clock);
  ~Recordings();
  Recordings(const Recordings&) = delete;
  Recordings& operator=(const Recordings&) = delete;

  // Takes up a recording whose state is saved. One that is being given up at this moment is begun
  // anew after that; otherwise one that is pending goes on where it is. Any thread.
  void add(const std::string& sid, const RecordingState& state);

  // Whether no recording is being read, or could be: those put aside do not count. Any thread.
  bool idle() const;
  std::size_t pending() const;

  // Why Teleport refuses one of those put aside, if it refuses our identity. Any thread.
  std::optional<Error> refusal() const;

 private:
  struct Recording {
    RecordingState state;
    bool put_aside = false;               // cannot be had now, though Teleport answers
    std::optional<Error> refusal;         // of the last try
    bool ending = false;                  // its last mark is on its way, or in the queue already
    std::optional<RecordingState> again;  // added while it was ending
  };

  void work(const std::stop_token& stop);
  std::optional<std::string> next_recording(const std::stop_token& stop);
  std::optional<std::string> due_recording_unlocked();
  Result<void> read(const std::string& sid, RecordingState* state, EventDecoder* decoder,
                    const std::stop_token& stop);
  Result<void> push_event(const std::string& sid, RecordingState* state,
                          std::expected<Event, Reject> decoded, const std::stop_token& stop);
  void begin_end(const std::string& sid);
  void finish(const std::string& sid);
  void failed(const std::string& sid, RecordingState state, const Error& error,
              const std::stop_token& stop);
  std::chrono::milliseconds wait_after(std::uint32_t tries) const;
  std::chrono::milliseconds least_time_of(std::uint32_t tries) const;
  bool counts_as_try(const Error& error, const std::stop_token& stop);
  void give_up(const std::string& sid, const Error& error, const std::stop_token& stop);
  void retry(const std::string& sid, const RecordingState& state, std::chrono::milliseconds wait,
             bool put_aside);

  const RecordingsOptions options_;
  EventApi& api_;
  LaneBuffers& buffers_;
  const Clock& clock_;
  RepeatedMessage trouble_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Recording> recordings_;
  std::deque<std::string> ready_;
  std::map<std::string, std::chrono::milliseconds> waiting_;  // until when, by the monotonic clock
  std::size_t active_ = 0;
  std::vector<std::jthread> workers_;  // last: they use all of the above
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_RECORDINGS_H_
