// Which events the configuration leaves out. Pure; any thread.
#ifndef SLUICE_FETCHER_INGEST_EVENT_FILTER_H_
#define SLUICE_FETCHER_INGEST_EVENT_FILTER_H_

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "common/config.h"
#include "common/time.h"
#include "queue/types.h"

namespace sluice::fetcher {

class EventFilter {
 public:
  // Audit events before `start_time` are left out: Teleport's chunks begin at midnight.
  EventFilter(const FetcherConfig& config, Timestamp start_time);

  // An unknown type (empty, of rejects) and an unknown time (zero) are no reason to leave out.
  bool keeps(queue::Lane lane, std::string_view type, Timestamp time) const;

 private:
  std::set<std::string, std::less<>> types_;  // empty: all
  std::set<std::string, std::less<>> skip_event_types_;
  std::set<std::string, std::less<>> skip_session_types_;
  Timestamp start_time_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_INGEST_EVENT_FILTER_H_
