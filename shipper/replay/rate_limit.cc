#include "shipper/replay/rate_limit.h"

#include <algorithm>
#include <limits>

#include "common/check.h"

namespace sluice::shipper {
namespace {

constexpr std::uint64_t kThousand = 1000;
// More than any sink takes; keeps the numbers below within their type.
constexpr std::uint64_t kRateMax = 1'000'000'000;

}  // namespace

std::size_t RateLimit::available(std::chrono::milliseconds now) {
  if (rate_ == 0) return std::numeric_limits<std::size_t>::max();
  const std::uint64_t rate = std::min(rate_, kRateMax);
  const auto passed =
      std::clamp(now - last_, std::chrono::milliseconds(0), std::chrono::milliseconds(kThousand));
  last_ = std::max(last_, now);
  // An event a millisecond is a thousandth of a thousand events a second.
  thousandths_ += rate * static_cast<std::uint64_t>(passed.count());
  thousandths_ = std::min(thousandths_, rate * kThousand);
  return thousandths_ / kThousand;
}

void RateLimit::take(std::size_t events) {
  if (rate_ == 0) return;
  SLUICE_CHECK(events * kThousand <= thousandths_, "no more is taken than is available");
  thousandths_ -= events * kThousand;
}

}  // namespace sluice::shipper
