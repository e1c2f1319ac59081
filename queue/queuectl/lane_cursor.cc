#include "queue/queuectl/lane_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "queue/queuectl/interrupt.h"

namespace sluice::queue {
namespace {

constexpr int kTriesMax = 20;
constexpr std::chrono::milliseconds kTryPause{100};

}  // namespace

Result<RecordBatch> LaneCursor::read(const ReadLimits& limits) {
  for (int i = 1;; ++i) {
    auto batch = try_read(limits);
    if (batch || batch.error().kind != ErrorKind::kBusy || i == kTriesMax) return batch;
    SLUICE_TRY(check_interrupted("reading"));
    std::this_thread::sleep_for(kTryPause);
  }
}

Result<RecordBatch> LaneCursor::try_read(const ReadLimits& limits) {
  SLUICE_ASSIGN(Reader * reader, access_.reader());
  if (reader->epoch().number != epoch_) SLUICE_TRY(follow_epochs(reader));
  auto batch = reader->read(lane_, next_, limits);
  if (batch) {
    if (!batch->empty()) next_ = batch->records().back().seq + 1;
    return batch;
  }
  // access_.reader() opens it anew.
  if (batch.error().kind == ErrorKind::kEpochChanged) {
    return fail(ErrorKind::kBusy, std::move(batch.error().message));
  }
  if (batch.error().kind == ErrorKind::kTrimmed) {
    SLUICE_ASSIGN(const QueueView view, reader->view());
    next_ = std::max(next_, view.floor[lane_]);
  }
  return batch;
}

// What a new epoch gives to other events was lost, if it had been read.
Result<void> LaneCursor::follow_epochs(Reader* reader) {
  SLUICE_ASSIGN(const QueueView view, reader->view());
  Seq first_anew = next_;
  for (const EpochRow& row : view.epochs) {
    if (row.epoch.number > epoch_) first_anew = std::min(first_anew, row.first[lane_]);
  }
  epoch_ = view.epochs.back().epoch.number;
  if (first_anew >= next_) return {};
  const Seq last = std::exchange(next_, first_anew) - 1;
  return fail(ErrorKind::kEpochChanged,
              fmt::format("the queue has lost records {} to {} of lane {}, which had been read: "
                          "these numbers are given to other events",
                          first_anew, last, name_of(lane_)));
}

}  // namespace sluice::queue
