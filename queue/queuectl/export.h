// Writes records of the queue out as lines: NDJSON, in the order of their numbers, each once.
//
// What is exported is what was committed when it began. Memory is bounded by a block of records, or
// the largest one. Reads beside the daemons, takes no lock, and changes nothing; nobody waits for
// it.
#ifndef SLUICE_QUEUE_QUEUECTL_EXPORT_H_
#define SLUICE_QUEUE_QUEUECTL_EXPORT_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "queue/queuectl/access.h"
#include "queue/record.h"
#include "queue/replay_job.h"
#include "queue/types.h"

namespace sluice::queue {

enum class ExportForm {
  kEvent,     // the event's bytes as they are stored and shipped
  kEnvelope,  // as record_json(): where it stands in the queue, and the event in it
};

struct ExportQuestion {
  enum class What { kAll, kBacklog, kDelivered };

  std::vector<Lane> lanes;          // in this order
  std::optional<SeqRange> numbers;  // nothing: all that are kept
  ReplayFilter filter;
  What what = What::kAll;
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
  ExportForm form = ExportForm::kEvent;
};

struct ExportTotals {
  PerLane<std::uint64_t> exported;
  std::uint64_t bytes = 0;
  // Numbers without an event, which only an envelope can show: what was received and cannot be
  // shipped, and what a damaged queue has lost.
  std::uint64_t rejects_left_out = 0;
  std::uint64_t gaps_left_out = 0;
  // Sentences that whoever relies on the export has to know.
  std::vector<std::string> remarks;

  std::uint64_t count() const { return exported[Lane::kAudit] + exported[Lane::kSession]; }
};

// Calls `write` with whole lines. kTrimmed: numbers that are asked for are no longer kept, or were
// trimmed before it had come to them. kEpochChanged: the queue has lost numbers that had been
// exported. After each error what has been written is not all that was asked for. An error of
// `write` is returned as it is.
Result<ExportTotals> export_records(Access* access, const ExportQuestion& question,
                                    const std::function<Result<void>(std::string_view)>& write);

// Whether time, type and id of the record are as the filter wants them, whatever its kind: what
// stands in an event's place has them as far as they are known.
bool fits(const ReplayMatcher& matcher, RecordView record);

// "12,345 events exported (8.1 MiB): 12,000 of lane audit, 345 of lane session", and a line for
// each thing to know.
std::string describe(const ExportTotals& totals);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_EXPORT_H_
