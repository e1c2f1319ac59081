#include "queue/dead_letter_limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "queue/disk_limits.h"

namespace sluice::queue {
namespace {

// Rounded down, so that 100 means that the limit is reached.
std::uint64_t percent(std::uint64_t part, std::uint64_t whole) {
  if (part >= whole) return 100;
  return static_cast<std::uint64_t>(static_cast<double>(part) * 100 / static_cast<double>(whole));
}

}  // namespace

std::uint64_t DeadLetterLimits::share(const DeadLetterTotals& totals) const {
  return std::max(percent(totals.count, count_max), percent(totals.bytes, bytes_max));
}

std::string DeadLetterLimits::describe(Lane lane, const DeadLetterTotals& totals) const {
  const bool is_by_count = percent(totals.count, count_max) >= percent(totals.bytes, bytes_max);
  const std::string amount =
      is_by_count ? fmt::format("{} dead letters of at most {} (shipper.dead-letters-max)",
                                totals.count, count_max)
                  : fmt::format(
                        "{} of dead letters of at most {} "
                        "(shipper.dead-letters-max-bytes)",
                        describe_bytes(totals.bytes), describe_bytes(bytes_max));
  return fmt::format(
      "lane {} has {}{}: look at \"queuectl dead-letter list\", then requeue or discard them, or "
      "raise the limit",
      name_of(lane), amount,
      share(totals) >= 100 ? ", so nothing more is set aside and what the sink refuses waits"
                           : "; at the limit nothing more is set aside and what the sink refuses "
                             "waits");
}

}  // namespace sluice::queue
