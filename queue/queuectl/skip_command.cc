// `queuectl skip`: takes events out of a lane that are not delivered yet.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "queue/queuectl/command.h"
#include "queue/queuectl/control_access.h"
#include "queue/queuectl/event_filter.h"
#include "queue/queuectl/json.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/render.h"
#include "queue/reader.h"

namespace sluice::queue {
namespace {

// What a request may have (control.proto), less some for the rest of it.
constexpr std::size_t kIdBytesMax = 1'500'000;

// The events that are meant, with the blocks that their views point into.
struct Chosen {
  Lane lane = Lane::kAudit;
  std::vector<RecordBatch> blocks;
  std::vector<StoredRecord> events;
};

class SkipCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand(
        "skip", "takes events out of a lane that are not delivered yet; they count as skipped");
    app->add_option("--lane", lane_, "audit or session; required with --seq")->type_name("LANE");
    app->add_option("--seq", numbers_, "sequence number, or a range such as 17..20")
        ->type_name("N[..M]");
    app->add_option("--id", id_, "the event's id: its uid, or SESSION-ID:N in a recording")
        ->type_name("ID");
    app->add_option("--reason", reason_, "why, for the journal; required")->type_name("TEXT");
    return app;
  }

  Result<void> run(const CommandContext& context) override {
    const Actor actor{0, claimed_name_of_caller(), reason_};
    SLUICE_TRY(check_actor(actor));
    if (numbers_.empty() == id_.empty()) {
      return fail(ErrorKind::kUsage, "say what to skip: --lane and --seq, or --id");
    }
    SLUICE_ASSIGN(Reader * reader, context.access->reader());
    SLUICE_ASSIGN(const QueueView view, reader->view());
    SLUICE_ASSIGN(const Chosen chosen,
                  id_.empty() ? by_numbers(reader, view) : by_id(context.access, reader, view));
    SLUICE_TRY(with_control(
        context.paths(),
        [&](ControlClient* client) { return client->skip(chosen.lane, chosen.events, actor); },
        &view));
    return print(context.is_json ? json_of(chosen) : table_of(chosen));
  }

 private:
  Result<Chosen> by_numbers(Reader* reader, const QueueView& view) const;
  Result<Chosen> by_id(Access* access, Reader* reader, const QueueView& view) const;
  static std::string table_of(const Chosen& chosen);
  static std::string json_of(const Chosen& chosen);

  std::string lane_;
  std::string numbers_;
  std::string id_;
  std::string reason_;
};

// Rejects and gaps pass by themselves, so a range may have some.
Result<Chosen> SkipCommand::by_numbers(Reader* reader, const QueueView& view) const {
  if (lane_.empty()) return fail(ErrorKind::kUsage, "say which lane: --lane audit or session");
  Chosen chosen;
  SLUICE_ASSIGN(chosen.lane, parse_lane(lane_));
  SLUICE_ASSIGN(const SeqRange wanted, parse_numbers(numbers_));
  if (wanted.count() > kChangesAtOnceMax) {
    return fail(ErrorKind::kUsage,
                fmt::format("at most {} numbers can be skipped at once", kChangesAtOnceMax));
  }
  if (wanted.last > view.durable[chosen.lane]) {
    return fail(
        ErrorKind::kUsage,
        fmt::format("number {} of lane {} is not in the queue yet, which ends at {}: nothing "
                    "was skipped",
                    wanted.last, name_of(chosen.lane), view.durable[chosen.lane]));
  }
  std::size_t id_bytes = 0;
  for (Seq next = wanted.first; next <= wanted.last;) {
    SLUICE_ASSIGN(RecordBatch block,
                  reader->read(chosen.lane, next,
                               {.records_max = wanted.last - next + 1, .bytes_max = 4U << 20}));
    if (block.empty()) break;
    next = block.records().back().seq + 1;
    for (const StoredRecord& stored : block.records()) {
      if (stored.record.kind != RecordKind::kEvent) continue;
      chosen.events.push_back(stored);
      id_bytes += stored.record.id.size() + stored.record.type.size() + sizeof stored.seq * 4;
    }
    chosen.blocks.push_back(std::move(block));
  }
  if (id_bytes > kIdBytesMax) {
    return fail(ErrorKind::kUsage, "these are too many to be skipped at once: give smaller ranges");
  }
  if (!chosen.events.empty()) return chosen;
  return fail(ErrorKind::kUsage,
              fmt::format("there is no event at {} of lane {}: a reject or a gap passes by itself",
                          numbers_, name_of(chosen.lane)));
}

Result<Chosen> SkipCommand::by_id(Access* access, Reader* reader, const QueueView& view) const {
  std::optional<Lane> only;
  if (!lane_.empty()) {
    SLUICE_ASSIGN(only, parse_lane(lane_));
  }
  SLUICE_ASSIGN(const DeliveryView delivery, access->delivery());
  for (const Lane lane : kLanes) {
    if (only && *only != lane) continue;
    Chosen chosen;
    chosen.lane = lane;
    const Seq begin = std::max(delivery.progress[lane].position + 1, view.floor[lane]);
    for (Seq next = begin; next <= view.durable[lane];) {
      SLUICE_ASSIGN(RecordBatch block, reader->read(lane, next, kScanBlock));
      if (block.empty()) break;
      next = block.records().back().seq + 1;
      const std::size_t before = chosen.events.size();
      for (const StoredRecord& stored : block.records()) {
        if (stored.record.id == id_) chosen.events.push_back(stored);
      }
      if (chosen.events.size() > before) chosen.blocks.push_back(std::move(block));
    }
    if (!chosen.events.empty()) return chosen;
  }
  return fail(
      ErrorKind::kNotFound,
      fmt::format("no event {} waits to be delivered: nothing was skipped; \"queuectl trace "
                  "{}\" says what became of it",
                  id_, id_));
}

std::string SkipCommand::table_of(const Chosen& chosen) {
  Table table({"LANE", "SEQ", "TIME", "TYPE", "ID"}, 5);
  for (const auto& [seq, record] : chosen.events) {
    table.add({std::string(name_of(chosen.lane)), std::to_string(seq), format_rfc3339(record.time),
               std::string(record.type), std::string(record.id)});
  }
  return fmt::format("{} event{} skipped\n", with_thousands(chosen.events.size()),
                     chosen.events.size() == 1 ? "" : "s") +
         table.text();
}

std::string SkipCommand::json_of(const Chosen& chosen) {
  Json events = Json::array();
  for (const auto& [seq, record] : chosen.events) {
    events.push_back(Json{{"seq", seq},
                          {"time", format_rfc3339(record.time)},
                          {"type", record.type},
                          {"id", record.id}});
  }
  return dump(Json{{"schema", kSchemaVersion},
                   {"lane", name_of(chosen.lane)},
                   {"skipped", std::move(events)}}) +
         "\n";
}

}  // namespace

std::unique_ptr<Command> skip_command() { return std::make_unique<SkipCommand>(); }

}  // namespace sluice::queue
