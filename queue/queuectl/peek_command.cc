#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <string>

#include "queue/queuectl/command.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/render.h"
#include "queue/queuectl/snapshot.h"
#include "queue/reader.h"
#include "queue/types.h"

namespace sluice::queue {
namespace {

class PeekCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand("peek", "shows events in the queue, the backlog first");
    app->add_option("--lane", lane_, "audit or session")->type_name("LANE");
    app->add_option("--from", from_, "sequence number to begin with")->type_name("SEQ");
    app->add_option("-n,--count", count_, "how many (default 10)")
        ->check(CLI::Range(1, 1'000'000))
        ->type_name("N");
    return app;
  }

  Result<void> run(const CommandContext& command) override {
    SLUICE_ASSIGN(const Lane lane, parse_lane(lane_));
    SLUICE_ASSIGN(Seq next, first(command, lane));
    for (std::size_t left = count_; left > 0;) {
      SLUICE_ASSIGN(Reader * reader, command.access->reader());
      ReadLimits limits;
      limits.records_max = std::min(left, limits.records_max);
      SLUICE_ASSIGN(const RecordBatch batch, reader->read(lane, next, limits));
      if (batch.empty()) break;
      SLUICE_TRY(show(command, lane, batch));
      next = batch.records().back().seq + 1;
      left -= batch.records().size();
    }
    return {};
  }

 private:
  Result<Seq> first(const CommandContext& command, Lane lane) const {
    if (from_ != 0) return from_;
    SLUICE_ASSIGN(const Snapshot snapshot, take_snapshot(command.access));
    if (snapshot.delivery_problem) {
      const auto& [kind, message] = *snapshot.delivery_problem;
      return fail(kind, message + "; without it, --from has to say where to begin");
    }
    return snapshot.lanes[lane].position + 1;
  }

  static Result<void> show(const CommandContext& command, Lane lane, const RecordBatch& batch) {
    if (!command.is_json) return print(records_table(batch.records()));
    for (const StoredRecord& record : batch.records()) {
      SLUICE_TRY(print(record_json(lane, record)));
    }
    return {};
  }

  std::string lane_ = "audit";
  Seq from_ = 0;
  std::size_t count_ = 10;
};

}  // namespace

std::unique_ptr<Command> peek_command() { return std::make_unique<PeekCommand>(); }

}  // namespace sluice::queue
