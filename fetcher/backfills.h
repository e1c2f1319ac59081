// The spans of the past that the configuration asks for, each fetched once beside the present
// events.
//
// Each span has a source and a thread of its own, and its own state in the queue, from which it
// goes on after a restart; when nothing more of it is expected, it is marked as done there and is
// not fetched again. A span that is taken out of the configuration stays where it is. Events of it
// that are in the queue already are known by their ids, as far as those are still remembered.
//
// load(), ids_needed_from() and the destructor, which stops and joins, on the Writer's thread; the
// rest on any.
#ifndef SLUICE_FETCHER_BACKFILLS_H_
#define SLUICE_FETCHER_BACKFILLS_H_

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "common/time_range.h"
#include "fetcher/source/audit_api.h"
#include "fetcher/source/audit_source.h"
#include "fetcher/source/audit_sources.h"
#include "fetcher/source/backfill_span.h"
#include "queue/writer.h"

namespace sluice::fetcher {

class Backfills {
 public:
  // All parts must outlive it. From `start_time` on the present's source fetches.
  Backfills(const SourceParts& parts, Timestamp start_time);
  ~Backfills();
  Backfills(const Backfills&) = delete;
  Backfills& operator=(const Backfills&) = delete;

  // Finds out which spans are done, and how far the others are. kCorrupt: their state is not of
  // this program.
  Result<void> load(queue::Writer* writer);

  // Begins to fetch those that are not done. To be called at most once, after load().
  void start(AuditApi audit_api);

  // Whether all that Teleport had of the spans at the last look is in the buffer or behind it.
  bool idle() const;
  // Ids of events from this day on are needed: until the mark that a span is done is appended,
  // since without it the span is begun anew. Nothing: no span is open. On the Writer's thread.
  Result<std::optional<Day>> ids_needed_from(queue::Writer* writer);
  std::size_t open() const;

 private:
  struct Span {
    BackfillSpan span;
    SourceState saved;  // until the source is made
    std::unique_ptr<AuditSource> source;
    std::atomic<bool> done = false;  // its mark is in the buffer, or behind it
    bool is_marked = false;          // as of the last look: its mark is appended
    std::jthread thread;             // last: it uses all of the above
  };

  Result<void> warn_about_forgotten_ids(const TimeRange& range, queue::Writer* writer) const;
  void run(Span* span, const std::stop_token& stop);

  const SourceParts parts_;
  const Timestamp start_time_;
  std::atomic<bool> started_ = false;
  std::vector<std::unique_ptr<Span>> spans_;  // those that were not done at the start
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_BACKFILLS_H_
