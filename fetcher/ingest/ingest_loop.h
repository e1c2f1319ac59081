// The only caller of the queue's append(): takes items from the buffers, leaves out what the
// configuration says and what is already in the queue, and appends the rest together with the
// sources' cursors, in one atomic write a step.
//
// One thread, that of the Writer. After an error the object and everything that feeds it must be
// destroyed: the Writer is dead, and what was taken from the buffers is in Teleport still.
#ifndef SLUICE_FETCHER_INGEST_INGEST_LOOP_H_
#define SLUICE_FETCHER_INGEST_INGEST_LOOP_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "fetcher/ingest/event_filter.h"
#include "fetcher/ingest/item.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/recording_state.h"
#include "queue/types.h"
#include "queue/writer.h"

namespace sluice::fetcher {

// What a generation has done, since its start.
struct IngestCounts {
  queue::PerLane<std::uint64_t> queued;  // rejects included
  queue::PerLane<std::uint64_t> rejected;
  queue::PerLane<std::uint64_t> filtered;
  queue::PerLane<std::uint64_t> duplicates;
};

// In the queue's state: the first day whose ids are all remembered, as "2026-11-21".
inline constexpr std::string_view kIdsFromKey = "ids-from";

class IngestLoop {
 public:
  // Called when a recording's announcement is durable, with what was saved for it.
  using OnUpload = std::function<void(const std::string& sid, const RecordingState& state)>;

  // Called for each audit event that is new to the queue and of no backfill, once it has been
  // appended.
  using OnEvent = std::function<void(const Event& event)>;

  // All given must outlive the loop. `on_event` may be empty. Ids of another generation are those
  // of other events.
  IngestLoop(queue::Writer* writer, LaneBuffers* buffers, const EventFilter* filter,
             const Clock& clock, std::uint32_t generation, OnUpload on_upload, OnEvent on_event);

  // Waits up to `timeout` for items and appends what is there, to be durable soon
  // (Writer::append_behind). How many items there were.
  Result<std::size_t> step(std::chrono::milliseconds timeout, std::stop_token stop);

  // Ids of events from this day on are kept, whatever the sources of the present say.
  void keep_ids_from(std::optional<Day> day) { keep_ids_from_ = day; }

  // Lanes of which the next steps take nothing, so that their sources come to wait.
  void leave_alone(const queue::PerLane<bool>& lanes) { limits_.left_alone = lanes; }

  const IngestCounts& counts() const { return counts_; }

 private:
  // What an event and a reject have in common.
  struct Head {
    queue::RecordKind kind;
    std::string_view id;
    std::string_view type;
    Timestamp time;
    std::string_view note;
    std::string_view body;
  };

  Result<void> add(const Item& item);
  Result<void> add_record(const Item& item, const Head& head);
  Result<bool> is_duplicate(std::uint32_t generation, Timestamp time, std::string_view id);
  Result<void> announce_recording(const Event& event);
  Result<bool> has_state(const std::string& key);
  Result<void> forget_done_recordings();
  Result<void> note_forgetting(Day before);
  void note_change(const StateChange& change);
  void move_changes_to_append();

  queue::Writer& writer_;
  LaneBuffers& buffers_;
  const EventFilter& filter_;
  const Clock& clock_;
  const OnUpload on_upload_;
  const OnEvent on_event_;
  const std::uint32_t queued_ids_;
  const std::uint32_t filtered_ids_;
  IngestCounts counts_;
  TakeLimits limits_;

  // Of the step under way.
  std::vector<Item> batch_;
  queue::Append append_;
  std::map<std::string, std::optional<std::string>> changes_;
  std::map<std::string, RecordingState> uploads_;
  std::vector<const Event*> new_events_;  // of batch_
  std::optional<Day> forget_ids_before_;
  std::int64_t now_ms_ = 0;
  std::optional<Day> keep_ids_from_;

  std::chrono::milliseconds next_forgetting_{};  // by the monotonic clock
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_INGEST_INGEST_LOOP_H_
