#include "fetcher/dry_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/audit_api.h"
#include "fetcher/source/audit_sources.h"
#include "fetcher/source/teleport_clock.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kIdsMax = 200'000;
constexpr std::size_t kTypesShown = 10;
constexpr milliseconds kTakeWait{100};
constexpr milliseconds kLineInterval{10'000};

}  // namespace

DryRun::DryRun(const FetcherConfig& config, EventApi* api, const Clock& clock)
    : config_(config),
      api_(*api),
      clock_(clock),
      start_(config.restart_from.value_or(
          config.start_time.value_or(Timestamp{clock.now().seconds, 0}))),
      filter_(config, start_),
      ids_(kIdsMax) {}

Result<void> DryRun::run(std::stop_token stop) {
  SLUICE_ASSIGN(const std::string cluster, api_.ping(stop));
  SLUICE_ASSIGN(const AuditApi audit_api, probe_audit_api(&api_, clock_, stop));
  log_message(
      message::kDryRun, {},
      "dry run: reading the audit events of cluster {} by {}, from {} on; nothing is written, sent "
      "or locked, and no recording is fetched",
      cluster, audit_api == AuditApi::kBulkExport ? "bulk export" : "window search",
      format_rfc3339(start_));
  notify_ready();
  TeleportClock teleport_clock(clock_);
  LaneBuffers buffers(config_.buffer_bytes);
  SourceStart start;
  start.time = start_;
  const auto source =
      make_source(audit_api, {config_, &api_, &buffers, clock_, &teleport_clock}, std::move(start));
  const std::jthread reading([&source](const std::stop_token& ending) { source->run(ending); });
  std::vector<Item> batch;
  milliseconds next_line = clock_.monotonic() + kLineInterval;
  while (!stop.stop_requested()) {
    // In this order: a source that is idle has pushed everything before.
    const bool all_read = source->idle();
    batch.clear();
    buffers.take(TakeLimits{}, kTakeWait, stop, &batch);
    for (const Item& item : batch) count(item);
    if (config_.exit_on_last_event && all_read && batch.empty()) break;
    if (clock_.monotonic() < next_line) continue;
    next_line = clock_.monotonic() + kLineInterval;
    log_message(message::kDryRun, {}, "dry run: {}", summary());
  }
  log_message(message::kDryRun, {}, "dry run: {}", summary());
  return {};
}

void DryRun::count(const Item& item) {
  if (const auto* reject = std::get_if<Reject>(&item.content)) {
    ++rejected_;
    log_message(message::kDryRunReject, {.event_id = reject->id},
                "dry run: event {} would be queued as a reject: {}", reject->id, reject->reason);
    return;
  }
  const auto* event = std::get_if<Event>(&item.content);
  if (event == nullptr || ids_.contains(event->id)) return;
  ids_.add(event->id);
  if (!filter_.has_begun(event->time) || !filter_.keeps(item.lane, event->type)) {
    ++filtered_;
    return;
  }
  ++wanted_;
  ++by_type_[event->type];
  if (!event->sid.empty()) ++recordings_;
  oldest_ = std::min(oldest_.value_or(event->time), event->time);
  newest_ = std::max(newest_.value_or(event->time), event->time);
}

std::string DryRun::summary() const {
  std::string text = fmt::format("{} audit events would be queued", wanted_);
  if (oldest_) {
    text += fmt::format(" ({} to {})", format_rfc3339(*oldest_), format_rfc3339(*newest_));
  }
  text += fmt::format(", {} rejected, {} left out by the configuration; {} recordings announced",
                      rejected_, filtered_, recordings_);
  std::vector<std::pair<std::uint64_t, std::string_view>> types;
  for (const auto& [type, count] : by_type_) types.emplace_back(count, type);
  std::ranges::sort(types, std::greater<>());
  for (std::size_t i = 0; i < std::min(types.size(), kTypesShown); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "; " : ", ", types[i].second, types[i].first);
  }
  if (types.size() > kTypesShown) {
    text += fmt::format(" and {} types more", types.size() - kTypesShown);
  }
  return text;
}

}  // namespace sluice::fetcher
