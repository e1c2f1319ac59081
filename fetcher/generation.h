// One ingest generation: the buffers, the sources and the ingest loop that belong to one opening of
// the queue.
//
// A generation starts from the state in the queue, and ends as a whole: with a failed write nothing
// in it may be used on, since neither its cursors nor its memory of ids are then known to agree
// with the queue. The destructor stops and joins every source. Used from the Writer's thread.
#ifndef SLUICE_FETCHER_GENERATION_H_
#define SLUICE_FETCHER_GENERATION_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "fetcher/backfills.h"
#include "fetcher/fetcher_metrics.h"
#include "fetcher/ingest/event_filter.h"
#include "fetcher/ingest/ingest_loop.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/lock/user_locks.h"
#include "fetcher/source/audit_api.h"
#include "fetcher/source/audit_source.h"
#include "fetcher/source/audit_sources.h"
#include "fetcher/source/event_api.h"
#include "fetcher/source/recordings.h"
#include "fetcher/source/teleport_clock.h"
#include "fetcher/start_time.h"
#include "queue/writer.h"

namespace sluice::fetcher {

class Generation {
 public:
  enum class End {
    kStopped,
    kFinished,     // all that Teleport had is in the queue; with exit_on_last_event only
    kChooseAgain,  // Teleport no longer has the calls of the chosen source
  };

  // Reads the sources' state. All given must outlive the generation. kCorrupt: the state is not of
  // this program; other errors: the queue cannot be read.
  static Result<std::unique_ptr<Generation>> create(const Config& config, const StartTime& start,
                                                    EventApi* api, queue::Writer* writer,
                                                    const Clock& clock,
                                                    FetcherMetrics* metrics = nullptr);

  // Runs until one of the above. An error: the Writer is dead, destroy this and then it; or, with
  // exit_on_last_event only, kUnauthorized: Teleport refuses
  // to say which source it has, or to give a recording.
  // When it returns an End, all that it took from Teleport is durable or still to be had there.
  Result<End> run(std::stop_token stop);

 private:
  Generation(const Config& config, const StartTime& start, EventApi* api, queue::Writer* writer,
             const Clock& clock, FetcherMetrics* metrics);
  Result<End> ingest_until_end(const std::stop_token& stop);
  Result<void> load_state();
  Result<void> load_recordings();
  void run_audit_source(const std::stop_token& stop);
  std::optional<AuditApi> choose_api(const std::stop_token& stop);
  void settle_last_sent(const std::stop_token& stop);
  Result<void> tend();
  std::optional<Error> refusal();
  bool finished() const;
  void show_status();
  void log_each_minute();
  void tell_metrics();

  const FetcherConfig& config_;
  EventApi& api_;
  queue::Writer& writer_;
  FetcherMetrics* metrics_;  // may be null
  const Clock& clock_;

  SourceStart audit_start_;
  TeleportClock teleport_clock_;
  LaneBuffers buffers_;
  const SourceParts source_parts_;
  EventFilter filter_;
  Recordings recordings_;
  Backfills backfills_;
  std::optional<UserLocks> locks_;  // if users are to be locked
  IngestLoop ingest_;
  queue::PerLane<bool> full_;  // what was said last
  IngestCounts logged_;        // as of the last line
  std::chrono::milliseconds next_line_{};
  std::chrono::milliseconds next_status_{};

  std::unique_ptr<AuditSource> source_;
  std::atomic<const AuditSource*> running_source_ = nullptr;  // source_, once it is set
  std::atomic<bool> choose_again_ = false;
  std::mutex refusal_mutex_;
  std::optional<Error> refusal_;  // of choose_api(); ends the run
  std::jthread audit_thread_;     // last: it uses all of the above
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_GENERATION_H_
