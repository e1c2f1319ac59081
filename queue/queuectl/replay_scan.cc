#include "queue/queuectl/replay_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "queue/queuectl/delivered.h"
#include "queue/reader.h"

namespace sluice::queue {
namespace {

constexpr std::uint64_t kProgressEvery = 100'000;
// The queue was trimmed or opened anew meanwhile: look once more from the start.
constexpr int kTriesMax = 5;
// An event's time is that of the host on which it happened, whose clock may be off a little.
constexpr std::int64_t kClockToleranceMs = 5 * 60 * 1000;

// What was skipped is sent only if it is named. Who may not read the store gets a count that is too
// high by these; the shipper knows them.
std::set<RecordKey> skipped_before(Access* access, const ReplayQuestion& question) {
  if (!question.filter.ids.empty()) return {};
  const auto interventions = access->interventions();
  if (!interventions) return {};
  return skipped_of(*interventions, question.lane);
}

FoundEvent found(const StoredRecord& stored) {
  return {stored.seq, stored.record.time, std::string(stored.record.type),
          std::string(stored.record.id)};
}

class Scan {
 public:
  // `left_out`: events that no replay sends.
  Scan(const ReplayQuestion& question, std::set<RecordKey> left_out, ReplayScan* result)
      : question_(question),
        matcher_(question.filter),
        left_out_(std::move(left_out)),
        result_(*result) {}

  Result<void> run(Reader* reader, const std::function<void(std::uint64_t, std::uint64_t)>& told) {
    const Seq begin = std::max(result_.asked.first, result_.floor);
    Seq next = begin;
    std::uint64_t told_at = 0;
    while (next <= result_.asked.last) {
      SLUICE_ASSIGN(const RecordBatch batch, reader->read(question_.lane, next, kScanBlock));
      if (batch.empty()) {
        return fail(ErrorKind::kHole,
                    fmt::format("number {} of lane {} has been delivered, but the queue does not "
                                "have it",
                                next, name_of(question_.lane)));
      }
      for (const StoredRecord& stored : batch.records()) {
        if (stored.seq <= result_.asked.last) look_at(stored);
      }
      next = batch.records().back().seq + 1;
      const std::uint64_t done = next - begin;
      if (done < told_at + kProgressEvery) continue;
      told_at = done;
      if (told) told(done, result_.asked.last - begin + 1);
    }
    return {};
  }

  bool found_all_ids() const {
    const std::set<std::string> asked(question_.filter.ids.begin(), question_.filter.ids.end());
    return !asked.empty() && ids_.size() == asked.size();
  }

 private:
  void look_at(const StoredRecord& stored) {
    if (!matcher_.matches(stored.record)) return;
    if (left_out_.contains({question_.lane, stored.seq, stored.record.epoch})) return;
    if (result_.matched == 0) result_.first = found(stored);
    result_.last = found(stored);
    ++result_.matched;
    result_.bytes += stored.record.body.size();
    if (!question_.filter.ids.empty()) ids_.emplace(stored.record.id);
  }

  const ReplayQuestion& question_;
  ReplayMatcher matcher_;
  std::set<RecordKey> left_out_;
  ReplayScan& result_;
  std::set<std::string> ids_;
};

// The numbers up to the result were written before `time`, as the queue's history has it; 0 if it
// does not reach back so far. Numbers that were given anew since do not count.
Result<Seq> written_before(Reader* reader, Lane lane, Timestamp time) {
  SLUICE_ASSIGN(const auto rows, reader->history());
  SLUICE_ASSIGN(const QueueView view, reader->view());
  HistoryRow last;
  Seq written = 0;
  for (const HistoryRow& row : rows) {
    if (row.time_ms + kClockToleranceMs <= to_unix_ms(time)) {
      last = row;
      written = row.durable[lane];
    }
    written = std::min(written, row.durable[lane]);
  }
  for (const EpochRow& epoch : view.epochs) {
    if (epoch.opened_at_ms >= last.time_ms) written = std::min(written, epoch.first[lane] - 1);
  }
  return written;
}

Result<TrimmedCount> count_trimmed(Reader* reader, const ReplayQuestion& question,
                                   const ReplayScan& scan, bool found_all_ids) {
  TrimmedCount trimmed;
  const SeqRange gone{scan.asked.first, std::min(scan.floor - 1, scan.asked.last)};
  if (gone.last < gone.first) return trimmed;
  if (found_all_ids) {
    trimmed.known_from = "every id was found";
    return trimmed;
  }
  trimmed.count = gone.count();
  trimmed.is_exact = question.filter == ReplayFilter{};
  trimmed.known_from = trimmed.is_exact ? "by number"
                                        : "by number; which events had these numbers is not known "
                                          "any more";
  if (!question.filter.from_time) return trimmed;
  SLUICE_ASSIGN(const Seq before,
                written_before(reader, question.lane, *question.filter.from_time));
  if (before < gone.first) return trimmed;
  trimmed.count = gone.last > before ? gone.last - before : 0;
  trimmed.is_exact = trimmed.count == 0;
  trimmed.known_from = fmt::format(
      "by the queue's history: the numbers up to {} were written "
      "before that time",
      before);
  return trimmed;
}

Result<ReplayScan> try_scan(Access* access, const ReplayQuestion& question,
                            const std::function<void(std::uint64_t, std::uint64_t)>& on_progress) {
  ReplayScan scan;
  SLUICE_ASSIGN(Reader * reader, access->reader());
  SLUICE_ASSIGN(const QueueView view, reader->view());
  scan.floor = view.floor[question.lane];
  SLUICE_ASSIGN(scan.position, position_of(access, question.lane));
  scan.position = std::min(scan.position, view.durable[question.lane]);
  scan.asked.first = question.from_seq.value_or(1);
  scan.asked.last = std::min(question.to_seq.value_or(scan.position), scan.position);
  scan.is_cut = question.to_seq && *question.to_seq > scan.position;
  if (scan.asked.last < scan.asked.first) {
    return fail(ErrorKind::kUsage,
                fmt::format("lane {} is delivered up to {}, and numbers {} to {} were asked for: "
                            "what is not delivered yet comes without a replay",
                            name_of(question.lane), scan.position, scan.asked.first,
                            question.to_seq.value_or(scan.position)));
  }
  Scan run(question, skipped_before(access, question), &scan);
  SLUICE_TRY(run.run(reader, on_progress));
  SLUICE_ASSIGN(scan.trimmed, count_trimmed(reader, question, scan, run.found_all_ids()));
  return scan;
}

}  // namespace

Result<ReplayScan> scan_for_replay(
    Access* access, const ReplayQuestion& question,
    const std::function<void(std::uint64_t, std::uint64_t)>& on_progress) {
  for (int i = 1;; ++i) {
    auto scan = try_scan(access, question, on_progress);
    if (scan || i == kTriesMax) return scan;
    const ErrorKind kind = scan.error().kind;
    if (kind != ErrorKind::kTrimmed && kind != ErrorKind::kEpochChanged) return scan;
  }
}

}  // namespace sluice::queue
