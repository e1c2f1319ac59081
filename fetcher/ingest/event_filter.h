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

  // An unknown type (empty, of rejects) is no reason to leave out.
  bool keeps(queue::Lane lane, std::string_view type) const;
  // Whether audit events of this time are wanted. An unknown one (zero) is no reason to leave out.
  bool has_begun(Timestamp time) const { return time == Timestamp{} || time >= start_time_; }

 private:
  std::set<std::string, std::less<>> types_;  // empty: all
  std::set<std::string, std::less<>> skip_event_types_;
  std::set<std::string, std::less<>> skip_session_types_;
  Timestamp start_time_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_INGEST_EVENT_FILTER_H_
