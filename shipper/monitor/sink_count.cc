#include "shipper/monitor/sink_count.h"

#include <algorithm>
#include <cstddef>

namespace sluice::shipper {
namespace {

std::uint64_t counted_by_all(const SinkLook& look) {
  std::uint64_t sum = 0;
  for (const SinkLook::Process& process : look.processes) sum += process.counted;
  return sum;
}

std::int64_t difference(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::int64_t>(a - b);
}

// What may have been sent and is not counted yet, at most.
std::int64_t open_after(const SinkLook& look) {
  return difference(look.after.answered + look.after.in_flight, counted_by_all(look));
}

// Plugins that are not there any more, or counters that went back: another process, or one that was
// configured anew.
bool went_on(const SinkLook::Process& earlier, const SinkLook::Process& later) {
  if (earlier.plugins != later.plugins || earlier.process_id != later.process_id) return false;
  return std::ranges::all_of(earlier.counters, [&](const auto& counter) {
    const auto now = later.counters.find(counter.first);
    return now != later.counters.end() && now->second >= counter.second;
  });
}

}  // namespace

SinkLook::Process process_of(const std::vector<Plugin>& plugins,
                             const std::vector<const Plugin*>& counting,
                             std::optional<std::uint64_t> process_id) {
  SinkLook::Process process;
  process.process_id = process_id;
  process.by_outputs = emitted_by_outputs(plugins);
  for (const Plugin* plugin : counting) {
    process.plugins += plugin->id + " ";
    process.counted += plugin->emit_records.value_or(0);
  }
  for (const Plugin& plugin : plugins) {
    for (const auto& [name, count] : plugin.counters) {
      process.counters.emplace(plugin.id + " " + name, count);
    }
  }
  return process;
}

std::int64_t SinkComparison::differs_by() const {
  if (missing > 0) return -static_cast<std::int64_t>(missing);
  return std::max<std::int64_t>(0, difference(counted, acknowledged));
}

std::optional<SinkComparison> SinkCount::look(const SinkLook& look) {
  if (!first_ || !is_same_process(look)) {
    begin(look);
    return std::nullopt;
  }
  const std::int64_t missing = difference(look.before.answered, counted_by_all(look)) - least_open_;
  SinkComparison now;
  now.since = first_->at;
  now.acknowledged = look.before.answered - first_->after.answered;
  now.counted = counted_by_all(look) - counted_by_all(*first_);
  // Told one look later, when it is certain that the process was still the same.
  now.missing = suspected_;
  suspected_ = std::max(suspected_, static_cast<std::uint64_t>(std::max<std::int64_t>(missing, 0)));
  now.counts_nothing = counted_by_all(look) == 0 && now.missing > 0;
  for (std::size_t i = 0; i < look.processes.size(); ++i) {
    if (look.processes[i].by_outputs > first_->processes[i].by_outputs) now.reaches_outputs = true;
  }
  least_open_ = std::min(least_open_, open_after(look));
  previous_ = look;
  last_ = now;
  return now;
}

void SinkCount::begin(const SinkLook& look) {
  // One that never counted anything shows nothing for certain.
  if (last_ && last_->missing > 0 && !last_->counts_nothing) {
    if (missing_before_.events == 0) missing_before_.since = last_->since;
    missing_before_.events += last_->missing;
  }
  last_.reset();
  first_ = look;
  previous_ = look;
  least_open_ = open_after(look);
  suspected_ = 0;
}

// A request that ended without an answer may be the sign of a process that was replaced, whose
// numbers need not show it: a container's processes have the same ids each time.
bool SinkCount::is_same_process(const SinkLook& look) const {
  if (look.after.failures != previous_.after.failures) return false;
  if (look.processes.size() != previous_.processes.size()) return false;
  for (std::size_t i = 0; i < look.processes.size(); ++i) {
    if (!went_on(previous_.processes[i], look.processes[i])) return false;
  }
  return true;
}

}  // namespace sluice::shipper
