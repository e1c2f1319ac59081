// `queuectl adopt` and `queuectl retire`: pair the halves of an instance by hand, or take it out of
// use, both daemons stopped.

#include "queue/adopt.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string>

#include "queue/queuectl/command.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/render.h"

namespace sluice::queue {
namespace {

Result<void> require_reason(const std::string& reason) {
  if (!reason.empty()) return {};
  return fail(ErrorKind::kUsage, "say why with --reason: it goes into the journal");
}

Result<AdoptFrom> parse_from(const std::string& text) {
  if (text == "position") return AdoptFrom{AdoptFrom::Kind::kPosition, 0};
  if (text == "floor") return AdoptFrom{AdoptFrom::Kind::kFloor, 0};
  Seq number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number > 0) {
    return AdoptFrom{AdoptFrom::Kind::kNumber, number};
  }
  return fail(
      ErrorKind::kUsage,
      fmt::format("--from is \"{}\": use position (where the delivery store is), floor (all "
                  "that is kept), or a sequence number",
                  text));
}

std::string table_of(const Adoption& adoption) {
  std::string text =
      fmt::format("queue {} is paired with {}delivery store {}\n", adoption.queue_id.short_string(),
                  adoption.store_is_new ? "the new " : "", adoption.delivery_id.short_string());
  Table table({"LANE", "position before", "now", "skipped", "delivered again"});
  for (const Lane lane : kLanes) {
    const LaneAdoption& at = adoption.lanes[lane];
    table.add({std::string(name_of(lane)), with_thousands(at.before), with_thousands(at.after),
               with_thousands(at.skipped), with_thousands(at.again)});
  }
  text += table.text();
  if (!adoption.aside.empty()) {
    text += fmt::format(
        "the store that was there is not of this queue or cannot be read; it is "
        "now {}\n",
        adoption.aside.string());
  }
  for (const std::uint64_t id : adoption.cancelled_replays) {
    text += fmt::format("replay {} is cancelled: its numbers may belong to other events now\n", id);
  }
  return text;
}

std::string json_of(const Adoption& adoption) {
  nlohmann::ordered_json json;
  json["schema"] = 1;
  json["queue"] = adoption.queue_id.to_string();
  json["delivery"] = adoption.delivery_id.to_string();
  json["store_is_new"] = adoption.store_is_new;
  json["aside"] = adoption.aside.string();
  for (const Lane lane : kLanes) {
    const LaneAdoption& at = adoption.lanes[lane];
    json["lanes"][std::string(name_of(lane))] = {
        {"before", at.before}, {"after", at.after}, {"skipped", at.skipped}, {"again", at.again}};
  }
  json["cancelled_replays"] = adoption.cancelled_replays;
  return json.dump(2) + "\n";
}

class AdoptCommand final : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand(
        "adopt",
        "with both daemons stopped: pairs the queue with the delivery store that is there, or with "
        "a new one, on this machine");
    app->add_option("--from", from_,
                    "where delivery goes on: position (where the store is), floor (everything "
                    "that is kept), or a sequence number")
        ->required()
        ->type_name("WHERE");
    app->add_option("--lane", lane_, "only this lane: audit or session")->type_name("LANE");
    app->add_option("--reason", reason_, "why; goes into the journal")->type_name("TEXT");
    return app;
  }

  Result<void> run(const CommandContext& context) override {
    SLUICE_TRY(require_reason(reason_));
    AdoptOptions options;
    options.paths = context.paths();
    options.machine = this_machine();
    SLUICE_ASSIGN(options.from, parse_from(from_));
    if (!lane_.empty()) {
      SLUICE_ASSIGN(options.lane, parse_lane(lane_));
    }
    options.reason = reason_;
    SLUICE_ASSIGN(const Adoption adoption, adopt(options));
    return print(context.is_json ? json_of(adoption) : table_of(adoption));
  }

 private:
  std::string from_;
  std::string lane_;
  std::string reason_;
};

class RetireCommand final : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand(
        "retire",
        "with both daemons stopped: marks the instance, so that neither it nor a copy of it runs "
        "before \"queuectl adopt\" where it is to live");
    app->add_option("--reason", reason_, "why; goes into the journal")->type_name("TEXT");
    return app;
  }

  Result<void> run(const CommandContext& context) override {
    SLUICE_TRY(require_reason(reason_));
    RetireOptions options;
    options.paths = context.paths();
    options.reason = reason_;
    SLUICE_TRY(retire(options));
    if (context.is_json) return print("{\"schema\":1,\"retired\":true}\n");
    return print(fmt::format("{} is retired\n", context.paths().root.string()));
  }

 private:
  std::string reason_;
};

}  // namespace

std::unique_ptr<Command> adopt_command() { return std::make_unique<AdoptCommand>(); }
std::unique_ptr<Command> retire_command() { return std::make_unique<RetireCommand>(); }

}  // namespace sluice::queue
