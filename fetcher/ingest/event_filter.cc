#include "fetcher/ingest/event_filter.h"

namespace sluice::fetcher {

EventFilter::EventFilter(const FetcherConfig& config, Timestamp start_time)
    : types_(config.types.begin(), config.types.end()),
      skip_event_types_(config.skip_event_types.begin(), config.skip_event_types.end()),
      skip_session_types_(config.skip_session_types.begin(), config.skip_session_types.end()),
      start_time_(start_time) {}

bool EventFilter::keeps(queue::Lane lane, std::string_view type) const {
  if (lane == queue::Lane::kSession) return !skip_session_types_.contains(type);
  if (!types_.empty() && !type.empty() && !types_.contains(type)) return false;
  return !skip_event_types_.contains(type);
}

}  // namespace sluice::fetcher
