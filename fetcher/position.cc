#include "fetcher/position.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#include "queue/control_page.h"
#include "queue/reader.h"

namespace sluice::fetcher {
namespace {

using queue::Lane;

constexpr int kTriesMax = 10;
constexpr int kSchemaVersion = 1;

// Removed at the end.
class ScratchFolder {
 public:
  static Result<std::unique_ptr<ScratchFolder>> make() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "sluice-XXXXXX").string();
    if (error || ::mkdtemp(name.data()) == nullptr) {
      return fail(ErrorKind::kCannotCreate,
                  "cannot make a folder for temporary files: set TMPDIR to one that is writable");
    }
    return std::make_unique<ScratchFolder>(name);
  }
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {}
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::optional<queue::PerLane<std::uint64_t>> backlog(const queue::InstancePaths& paths,
                                                     const queue::QueueView& view) {
  queue::PageReader reader(paths.shipper_page(), queue::PageRole::kShipper);
  const auto payload = reader.read();
  const auto page = payload ? queue::decode_shipper_page(*payload) : std::nullopt;
  if (!page || page->queue_id != view.queue_id) return std::nullopt;
  queue::PerLane<std::uint64_t> counts;
  for (const Lane lane : queue::kLanes) {
    counts[lane] = view.durable[lane] - std::min(view.durable[lane], page->position[lane]);
  }
  return counts;
}

Result<Position> try_to_read(const queue::InstancePaths& paths,
                             const std::filesystem::path& scratch) {
  SLUICE_ASSIGN(const auto reader, queue::Reader::open({.paths = paths, .scratch = scratch}));
  SLUICE_ASSIGN(const queue::QueueView view, reader->view());
  if (!view.read_up_to) {
    return fail(ErrorKind::kNotFound,
                fmt::format("the queue in {} does not say yet up to when Teleport was read "
                            "completely: wait until the fetcher has read everything once, or give "
                            "teleport-event-handler the start time that was meant for sluice",
                            paths.root.native()));
  }
  SLUICE_ASSIGN(const queue::Ledger ledger, reader->ledger());
  Position position;
  position.cluster = view.cluster;
  position.start_time = {from_unix_ms(view.read_up_to->time_ms).seconds, 0};
  position.looked_at = from_unix_ms(view.read_up_to->looked_at_ms);
  const Day day = day_of(position.start_time);
  for (const auto& [key, row] : ledger) {
    if (key.day >= day) position.queued_since[key.lane] += row.queued;
  }
  position.backlog = backlog(paths, view);
  return position;
}

}  // namespace

Result<Position> read_position(const queue::InstancePaths& paths) {
  SLUICE_ASSIGN(const auto scratch, ScratchFolder::make());
  for (int i = 1;; ++i) {
    auto position = try_to_read(paths, scratch->path() / "queue");
    // The fetcher may be opening the queue at this very moment.
    if (position || i == kTriesMax ||
        (position.error().kind != ErrorKind::kBusy &&
         position.error().kind != ErrorKind::kEpochChanged)) {
      return position;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20) * i);
  }
}

std::string describe(const Position& position) {
  const std::string time = format_rfc3339(position.start_time);
  const std::string day = format_day(day_of(position.start_time));
  std::string text = fmt::format(
      "--start-time={}\n\n"
      "Everything that cluster {} had before that time is in the queue (seen at {}).\n"
      "teleport-event-handler needs an empty storage folder to take it.\n\n"
      "What it sends again:\n"
      "  without bulk export  the events from {} on that are in the queue\n"
      "  with bulk export     all events of {} and later: it begins with the day\n"
      "  In the queue from {} on: {} audit events, {} of recordings.\n"
      "  Recordings that are announced again are sent again from their begin on.\n\n",
      time, position.cluster.empty() ? "(not known)" : position.cluster,
      format_rfc3339(position.looked_at), time, day, day, position.queued_since[Lane::kAudit],
      position.queued_since[Lane::kSession]);
  if (!position.backlog) {
    return text +
           "No shipper has said how far it is: what is in the queue may not be in Fluentd.\n";
  }
  text += fmt::format("Not in Fluentd yet: {} audit events, {} of recordings.",
                      (*position.backlog)[Lane::kAudit], (*position.backlog)[Lane::kSession]);
  text +=
      " Stop the fetcher once it has no recordings pending (its log says so each\nminute), and "
      "the shipper once this is 0: teleport-event-handler does not send these.\n";
  return text;
}

std::string to_json(const Position& position) {
  using Json = nlohmann::ordered_json;
  const auto lanes = [](const queue::PerLane<std::uint64_t>& counts) {
    Json json;
    for (const Lane lane : queue::kLanes) json[std::string(name_of(lane))] = counts[lane];
    return json;
  };
  const Json json = {{"schema", kSchemaVersion},
                     {"cluster", position.cluster},
                     {"start_time", format_rfc3339(position.start_time)},
                     {"looked_at", format_rfc3339(position.looked_at)},
                     {"queued_since_day", lanes(position.queued_since)},
                     {"backlog", position.backlog ? lanes(*position.backlog) : Json(nullptr)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

DaemonCommand position_command() {
  const auto output = std::make_shared<std::string>("text");
  return {.name = "position",
          .description = "Print the --start-time with which teleport-event-handler goes on here",
          .takes_config = true,
          .declare =
              [output](CLI::App* command) {
                command->add_option("-o,--output", *output, "text, or json for programs")
                    ->type_name("FORM")
                    ->check(CLI::IsMember({"text", "json"}));
              },
          .run = [output](const Config* config, const std::stop_token&) -> Result<void> {
            SLUICE_ASSIGN(const Position position,
                          read_position(queue::InstancePaths{config->queue_path}));
            fmt::print("{}", *output == "json" ? to_json(position) : describe(position));
            return {};
          }};
}

}  // namespace sluice::fetcher
