// Makes the source that reads audit events, of the present or of a span of the past, by either of
// Teleport's ways, so that it goes on from what the queue has of it.
//
// Where the other way was used until now, the source begins where that one stood, and its first
// mark erases what was saved of it. What comes twice by that is known by its id.
#ifndef SLUICE_FETCHER_SOURCE_AUDIT_SOURCES_H_
#define SLUICE_FETCHER_SOURCE_AUDIT_SOURCES_H_

#include <memory>
#include <optional>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/audit_api.h"
#include "fetcher/source/audit_source.h"
#include "fetcher/source/backfill_span.h"
#include "fetcher/source/bulk_state.h"
#include "fetcher/source/event_api.h"
#include "fetcher/source/search_state.h"
#include "fetcher/source/teleport_clock.h"
#include "queue/read_up_to.h"
#include "queue/writer.h"

namespace sluice::fetcher {

// What every source works with. All of it must outlive the source.
struct SourceParts {
  const FetcherConfig& config;
  EventApi* api;
  LaneBuffers* buffers;
  const Clock& clock;
  TeleportClock* teleport_clock;
};

// What the queue has of a source.
struct SourceState {
  BulkState bulk;
  std::optional<SearchState> search;
  std::optional<Day> ids_from;  // ids of earlier days are forgotten, and no chunk of them expected

  bool has_begun() const { return bulk.first_day || search; }
};

struct SourceStart {
  Timestamp time;                             // no event before this is wanted
  std::optional<BackfillSpan> backfill;       // nothing: the present, without an end
  std::optional<queue::ReadUpTo> read_up_to;  // as it was last saved
  SourceState saved;
  bool is_announced = false;  // the log says by which way it reads, and from when on
};

// Of the present's source, or of a span's. kCorrupt: it was not written by this program; other
// errors are the Writer's. On the Writer's thread.
Result<SourceState> load_source_state(const std::optional<BackfillSpan>& backfill,
                                      queue::Writer* writer);

// Any thread.
std::unique_ptr<AuditSource> make_source(AuditApi audit_api, const SourceParts& parts,
                                         SourceStart start);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_AUDIT_SOURCES_H_
