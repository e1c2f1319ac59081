// `queuectl tail`: the last events of the queue, and with -f those that come, as they are
// committed.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/time.h"
#include "queue/queuectl/command.h"
#include "queue/queuectl/event_filter.h"
#include "queue/queuectl/export.h"
#include "queue/queuectl/interrupt.h"
#include "queue/queuectl/lane_cursor.h"
#include "queue/queuectl/output.h"
#include "queue/queuectl/render.h"
#include "queue/reader.h"

namespace sluice::queue {
namespace {

// The fetcher's page rings when there is something; this is for an interrupt, and for a page that
// is made anew.
constexpr std::chrono::milliseconds kWaitMax{500};

class TailCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override;
  Result<void> run(const CommandContext& context) override;

 private:
  bool is_meant(const StoredRecord& stored) const;
  Result<Seq> first_of_last(const QueueView& view, Lane lane);
  Result<void> show_new(LaneCursor* cursor, Output* output);
  std::string line(Lane lane, const StoredRecord& stored) const;
  Result<void> follow(std::vector<LaneCursor> cursors, Output* output);

  std::string lane_;
  EventFilterOptions options_;
  std::uint64_t count_ = 10;
  std::uint64_t limit_ = std::numeric_limits<std::uint64_t>::max();
  bool follow_ = false;
  bool raw_ = false;

  Access* access_ = nullptr;
  bool is_json_ = false;
  ReplayMatcher matcher_{{}};
  std::uint64_t shown_ = 0;
};

CLI::App* TailCommand::declare(CLI::App* parser) {
  auto* app = parser->add_subcommand("tail", "the last events in the queue, and those that come");
  app->add_option("--lane", lane_, "audit or session (default: both)")->type_name("LANE");
  app->add_option("-n,--count", count_, "how many of the last of each lane (default 10)")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N");
  app->add_flag("-f,--follow", follow_, "go on with new ones as they are committed");
  options_.declare(app);
  app->add_option("--limit", limit_, "end after so many")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  app->add_flag("--raw", raw_, "each event as it is stored, as export does");
  return app;
}

Result<void> TailCommand::run(const CommandContext& context) {
  access_ = context.access;
  is_json_ = context.is_json;
  SLUICE_ASSIGN(const auto lanes, parse_lanes(lane_));
  SLUICE_ASSIGN(const ReplayFilter filter, options_.filter());
  matcher_ = ReplayMatcher(filter);
  catch_interrupts();
  SLUICE_ASSIGN(Output output, Output::open({}));
  SLUICE_ASSIGN(Reader * reader, access_->reader());
  SLUICE_ASSIGN(const QueueView view, reader->view());
  std::vector<LaneCursor> cursors;
  for (const Lane lane : lanes) {
    SLUICE_ASSIGN(const Seq first, first_of_last(view, lane));
    cursors.emplace_back(access_, lane, first, view.epochs.back().epoch.number);
  }
  return follow(std::move(cursors), &output);
}

// Of the last `count_` events that are meant; looked for from the end, a block at a time.
Result<Seq> TailCommand::first_of_last(const QueueView& view, Lane lane) {
  Seq first = view.durable[lane] + 1;
  std::uint64_t found = 0;
  while (found < count_ && first > view.floor[lane] && !is_interrupted()) {
    const std::uint64_t block =
        std::min<std::uint64_t>(kScanBlock.records_max, first - view.floor[lane]);
    const Seq end = first;
    std::vector<Seq> meant;
    for (Seq next = first - block; next < end;) {
      SLUICE_ASSIGN(Reader * reader, access_->reader());
      SLUICE_ASSIGN(const RecordBatch batch,
                    reader->read(lane, next, {end - next, kScanBlock.bytes_max}));
      if (batch.empty()) break;
      for (const StoredRecord& stored : batch.records()) {
        if (is_meant(stored)) meant.push_back(stored.seq);
      }
      next = batch.records().back().seq + 1;
    }
    first = end - block;
    if (found + meant.size() >= count_) return meant[meant.size() - (count_ - found)];
    found += meant.size();
  }
  return first;
}

// As they are stored, only events have bytes to be shown.
bool TailCommand::is_meant(const StoredRecord& stored) const {
  return raw_ ? matcher_.matches(stored.record) : fits(matcher_, stored.record);
}

Result<void> TailCommand::follow(std::vector<LaneCursor> cursors, Output* output) {
  for (;;) {
    SLUICE_ASSIGN(const Reader* reader, access_->reader());
    const std::uint32_t doorbell = reader->doorbell();
    for (LaneCursor& cursor : cursors) SLUICE_TRY(show_new(&cursor, output));
    if (!follow_ || shown_ >= limit_ || is_interrupted()) return {};
    SLUICE_ASSIGN(reader, access_->reader());
    reader->wait(doorbell, kWaitMax);
    if (is_interrupted()) return {};
  }
}

// What is lost or gone is told, and it goes on with what there is.
Result<void> TailCommand::show_new(LaneCursor* cursor, Output* output) {
  while (shown_ < limit_ && !is_interrupted()) {
    const auto batch = cursor->read(kScanBlock);
    if (!batch) {
      const ErrorKind kind = batch.error().kind;
      if (kind == ErrorKind::kBusy && follow_) return {};
      if (kind != ErrorKind::kEpochChanged && kind != ErrorKind::kTrimmed)
        return fail(batch.error());
      fmt::print(stderr, "queuectl: {}\n", batch.error().message);
      continue;
    }
    if (batch->empty()) return {};
    std::string lines;
    for (const StoredRecord& stored : batch->records()) {
      if (shown_ >= limit_) break;
      if (!is_meant(stored)) continue;
      lines += line(cursor->lane(), stored);
      ++shown_;
    }
    // Trimmed files that are held open here take up room until they are let go.
    const auto let_go = [&] {
      if (const auto reader = access_->reader()) (void)(*reader)->let_go();
    };
    if (!lines.empty()) SLUICE_TRY(output->write(lines, let_go));
  }
  return {};
}

std::string TailCommand::line(Lane lane, const StoredRecord& stored) const {
  if (is_json_) return record_json(lane, stored);
  if (raw_) return std::string(stored.record.body) + "\n";
  return record_line(lane, stored);
}

}  // namespace

std::unique_ptr<Command> tail_command() { return std::make_unique<TailCommand>(); }

}  // namespace sluice::queue
