#include "queue/queuectl/event_filter.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/time.h"

namespace sluice::queue {
namespace {

Result<std::optional<Timestamp>> parse_time(const std::string& option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto time = parse_rfc3339(text);
  if (time) return *time;
  return fail(ErrorKind::kUsage, fmt::format("{}: {}", option, time.error().message));
}

std::optional<Seq> parse_number(std::string_view text) {
  Seq number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

}  // namespace

void EventFilterOptions::declare(CLI::App* app) {
  app->add_option("--from-time", from_time_,
                  "events of this time or later, for example "
                  "2026-11-23T02:00:00Z")
      ->type_name("TIME");
  app->add_option("--to-time", to_time_, "events before this time")->type_name("TIME");
  app->add_option("--type", types_, "events of these types, for example user.login,db.start")
      ->delimiter(',')
      ->type_name("TYPE,...");
  app->add_option("--id", ids_, "events with these ids")->delimiter(',')->type_name("ID,...");
}

Result<ReplayFilter> EventFilterOptions::filter() const {
  ReplayFilter filter;
  SLUICE_ASSIGN(filter.from_time, parse_time("--from-time", from_time_));
  SLUICE_ASSIGN(filter.to_time, parse_time("--to-time", to_time_));
  filter.types = types_;
  filter.ids = ids_;
  if (filter.from_time && filter.to_time && *filter.to_time <= *filter.from_time) {
    return fail(ErrorKind::kUsage, "--to-time is not after --from-time");
  }
  return filter;
}

Result<SeqRange> parse_numbers(const std::string& text) {
  const std::string_view all = text;
  const std::size_t dots = all.find("..");
  const auto first = parse_number(all.substr(0, dots));
  const auto last = dots == std::string_view::npos ? first : parse_number(all.substr(dots + 2));
  if (first && last && *first <= *last) return SeqRange{*first, *last};
  return fail(ErrorKind::kUsage,
              fmt::format("--seq is \"{}\": use a sequence number, which begin with 1, or a range "
                          "such as 17..20",
                          text));
}

std::string claimed_name_of_caller() {
  for (const char* variable : {"SUDO_USER", "USER"}) {
    const char* const name = std::getenv(variable);
    if (name != nullptr && *name != '\0') return name;
  }
  return {};
}

}  // namespace sluice::queue
