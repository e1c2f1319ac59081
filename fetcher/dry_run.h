// A run that only shows: reads audit events as the fetcher would, and counts them.
//
// It opens no queue, saves no position, fetches no recording (Teleport would record that as an
// access) and locks nobody; the queue of a fetcher that runs meanwhile is not touched. It begins at
// the start time, at the present without one, and goes on until it is asked to stop, or, with
// exit_on_last_event, has read everything. One thread.
#ifndef SLUICE_FETCHER_DRY_RUN_H_
#define SLUICE_FETCHER_DRY_RUN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "fetcher/ingest/event_filter.h"
#include "fetcher/ingest/item.h"
#include "fetcher/source/event_api.h"
#include "fetcher/source/recent_ids.h"

namespace sluice::fetcher {

class DryRun {
 public:
  // `api` and `clock` must outlive it.
  DryRun(const FetcherConfig& config, EventApi* api, const Clock& clock);

  // Logs what it found from time to time, and at its end. Errors as of EventApi, when not even the
  // connection or the choice of the source succeeds.
  Result<void> run(std::stop_token stop);

  // "12 audit events would be queued …": what was found until now.
  std::string summary() const;

 private:
  void count(const Item& item);

  const FetcherConfig& config_;
  EventApi& api_;
  const Clock& clock_;
  const Timestamp start_;
  const EventFilter filter_;
  RecentIds ids_;
  std::map<std::string, std::uint64_t> by_type_;
  std::uint64_t wanted_ = 0;
  std::uint64_t filtered_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t recordings_ = 0;
  std::optional<Timestamp> oldest_;
  std::optional<Timestamp> newest_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_DRY_RUN_H_
