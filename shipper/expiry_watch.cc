#include "shipper/expiry_watch.h"
#include "common/message_kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

namespace sluice::shipper {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::size_t kEndsMax = 64;
constexpr std::array<std::int64_t, 3> kWarnBeforeDays = {30, 7, 1};

// How long before its end each warning comes, in seconds, the earliest first; the last is the end.
std::vector<std::int64_t> warning_times(const fluentd::CertificateTimes& times) {
  const std::int64_t life = times.not_after.seconds - times.not_before.seconds;
  std::vector<std::int64_t> before;
  for (const std::int64_t days : kWarnBeforeDays) {
    if (days * kDaySeconds <= life / 2) before.push_back(days * kDaySeconds);
  }
  if (before.empty()) before.push_back(life / 10);
  before.push_back(0);
  return before;
}

}  // namespace

void ExpiryWatch::seen(const std::string& whose, const std::string& name,
                       const fluentd::CertificateTimes& times) {
  const std::lock_guard lock(mutex_);
  Watched& watched = watched_[whose];
  watched.name = name;
  watched.times = times;
  if (watched.warned.size() > kEndsMax) watched.warned.clear();
}

void ExpiryWatch::look() {
  const std::lock_guard lock(mutex_);
  const Timestamp now = clock_->now();
  for (auto& [whose, watched] : watched_) {
    const std::int64_t left = watched.times.not_after.seconds - now.seconds;
    const auto before = warning_times(watched.times);
    const auto due = static_cast<std::size_t>(
        std::ranges::count_if(before, [left](std::int64_t seconds) { return left <= seconds; }));
    std::size_t& warned = watched.warned[watched.times.not_after.seconds];
    if (due <= warned) continue;
    warned = due;
    const std::string at = format_rfc3339(watched.times.not_after);
    if (left <= 0) {
      sink_({message::kCertificateExpired,
             fmt::format("{} expired at {}: have it renewed, it is taken up without "
                         "a restart",
                         watched.name, at)});
    } else {
      sink_({message::kCertificateExpires,
             fmt::format("{} ends in {}, at {}: have it renewed", watched.name,
                         format_duration(std::chrono::seconds(left)), at)});
    }
  }
}

std::vector<queue::SinkReport::Certificate> ExpiryWatch::certificates() const {
  const std::lock_guard lock(mutex_);
  std::vector<queue::SinkReport::Certificate> all;
  for (const auto& [whose, watched] : watched_) {
    all.push_back({whose, to_unix_ms(watched.times.not_after)});
  }
  return all;
}

}  // namespace sluice::shipper
