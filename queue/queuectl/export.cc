#include "queue/queuectl/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "queue/disk_limits.h"
#include "queue/queuectl/delivered.h"
#include "queue/queuectl/interrupt.h"
#include "queue/queuectl/lane_cursor.h"
#include "queue/queuectl/render.h"
#include "queue/reader.h"

namespace sluice::queue {
namespace {

class LaneExport {
 public:
  LaneExport(const ExportQuestion& question, Lane lane,
             const std::function<Result<void>(std::string_view)>& write, ExportTotals* totals)
      : question_(question),
        lane_(lane),
        matcher_(question.filter),
        write_(write),
        totals_(*totals) {}

  Result<void> run(Access* access);

 private:
  Result<void> settle_range(const QueueView& view);
  bool is_meant(const StoredRecord& stored) const;
  bool has_line(const RecordView& record);
  void add(const StoredRecord& stored, std::string* lines);

  const ExportQuestion& question_;
  const Lane lane_;
  const ReplayMatcher matcher_;
  const std::function<Result<void>(std::string_view)>& write_;
  ExportTotals& totals_;
  Delivered delivered_;
  SeqRange range_;  // empty: last = first - 1
};

// The delivery store is looked at first, so that what is fetched meanwhile is backlog.
Result<void> LaneExport::run(Access* access) {
  if (question_.what != ExportQuestion::What::kAll) {
    SLUICE_ASSIGN(delivered_, Delivered::look(access, lane_));
    if (const auto& problem = delivered_.problem()) {
      // Dead letters would be told from what was delivered by nothing.
      if (question_.what == ExportQuestion::What::kDelivered) return fail(*problem);
      totals_.remarks.push_back(
          fmt::format("the delivery store cannot be read: of lane {} everything beyond number {} "
                      "is taken for backlog",
                      name_of(lane_), delivered_.position()));
    }
  }
  SLUICE_ASSIGN(Reader * reader, access->reader());
  SLUICE_ASSIGN(const QueueView view, reader->view());
  SLUICE_TRY(settle_range(view));
  LaneCursor cursor(access, lane_, range_.first, view.epochs.back().epoch.number);
  while (cursor.next() <= range_.last && totals_.count() < question_.limit) {
    SLUICE_TRY(check_interrupted("the export"));
    SLUICE_ASSIGN(const RecordBatch batch, cursor.read(kScanBlock));
    if (batch.empty()) {
      return fail(ErrorKind::kEpochChanged,
                  fmt::format("the queue has lost record {} of lane {} meanwhile: export again",
                              cursor.next(), name_of(lane_)));
    }
    std::string lines;
    for (const StoredRecord& stored : batch.records()) {
      if (stored.seq > range_.last || totals_.count() >= question_.limit) break;
      if (is_meant(stored) && has_line(stored.record)) add(stored, &lines);
    }
    totals_.bytes += lines.size();
    if (!lines.empty()) SLUICE_TRY(write_(lines));
  }
  return {};
}

// Numbers that were asked for and are trimmed are refused by the first read.
Result<void> LaneExport::settle_range(const QueueView& view) {
  const Seq durable = view.durable[lane_];
  range_ = {view.floor[lane_], durable};
  if (question_.numbers) {
    range_ = {question_.numbers->first, std::min(question_.numbers->last, durable)};
    if (question_.numbers->last > durable) {
      totals_.remarks.push_back(
          fmt::format("lane {} ends with number {}: what was asked for beyond "
                      "it does not exist yet",
                      name_of(lane_), durable));
    }
  }
  if (question_.what == ExportQuestion::What::kBacklog) {
    range_.first = std::max(range_.first, delivered_.position() + 1);
  } else if (question_.what == ExportQuestion::What::kDelivered) {
    range_.last = std::min(range_.last, delivered_.last());
  }
  return {};
}

bool LaneExport::is_meant(const StoredRecord& stored) const {
  if (!fits(matcher_, stored.record)) return false;
  switch (question_.what) {
    case ExportQuestion::What::kAll:
      return true;
    case ExportQuestion::What::kBacklog:
      return !delivered_.is_accounted_for(stored.seq);
    case ExportQuestion::What::kDelivered:
      return stored.record.kind == RecordKind::kEvent &&
             delivered_.is_acknowledged({lane_, stored.seq, stored.record.epoch});
  }
  return false;
}

bool LaneExport::has_line(const RecordView& record) {
  if (question_.form == ExportForm::kEnvelope || record.kind == RecordKind::kEvent) return true;
  ++(record.kind == RecordKind::kReject ? totals_.rejects_left_out : totals_.gaps_left_out);
  return false;
}

void LaneExport::add(const StoredRecord& stored, std::string* lines) {
  if (question_.form == ExportForm::kEnvelope) {
    lines->append(record_json(lane_, stored));
  } else {
    lines->append(stored.record.body).push_back('\n');
  }
  ++totals_.exported[lane_];
}

}  // namespace

bool fits(const ReplayMatcher& matcher, RecordView record) {
  record.kind = RecordKind::kEvent;
  return matcher.matches(record);
}

Result<ExportTotals> export_records(Access* access, const ExportQuestion& question,
                                    const std::function<Result<void>(std::string_view)>& write) {
  ExportTotals totals;
  for (const Lane lane : question.lanes) {
    SLUICE_TRY(LaneExport(question, lane, write, &totals).run(access));
  }
  return totals;
}

std::string describe(const ExportTotals& totals) {
  std::string text = fmt::format("{} event{} exported ({})", with_thousands(totals.count()),
                                 totals.count() == 1 ? "" : "s", describe_bytes(totals.bytes));
  if (totals.count() > 0) {
    text += fmt::format(": {} of lane audit, {} of lane session",
                        with_thousands(totals.exported[Lane::kAudit]),
                        with_thousands(totals.exported[Lane::kSession]));
  }
  text += "\n";
  if (const std::uint64_t left_out = totals.rejects_left_out + totals.gaps_left_out; left_out > 0) {
    text += fmt::format(
        "{} numbers left out, which have no event: {} that could not be decoded or were too large, "
        "{} lost by a damaged disk; --envelope shows them\n",
        with_thousands(left_out), with_thousands(totals.rejects_left_out),
        with_thousands(totals.gaps_left_out));
  }
  for (const std::string& remark : totals.remarks) text += remark + "\n";
  return text;
}

}  // namespace sluice::queue
