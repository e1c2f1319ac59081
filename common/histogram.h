// Counts durations in fixed buckets, as Prometheus' histograms have them.
//
// Any thread may call anything at any time; a snapshot taken meanwhile may lack what is being
// added.
#ifndef SLUICE_COMMON_HISTOGRAM_H_
#define SLUICE_COMMON_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice {

class Histogram {
 public:
  // Upper ends in seconds, ascending; one more bucket has what is above. From a commit on a quick
  // disk to a backlog of a day.
  static constexpr std::array<double, 16> kBounds = {
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 120, 600, 3600, 86400};
  struct Snapshot {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};  // of each bucket alone
    double sum_seconds = 0;
  };

  // Below zero counts as zero: clocks of two machines may differ.
  void add(std::chrono::microseconds duration, std::uint64_t times = 1) {
    const auto us = static_cast<std::uint64_t>(duration.count() < 0 ? 0 : duration.count());
    std::size_t bucket = 0;
    while (bucket < kBounds.size() && static_cast<double>(us) / 1e6 > kBounds[bucket]) ++bucket;
    counts_[bucket].fetch_add(times, std::memory_order_relaxed);
    sum_us_.fetch_add(us * times, std::memory_order_relaxed);
  }

  Snapshot snapshot() const {
    Snapshot snapshot;
    for (std::size_t i = 0; i < counts_.size(); ++i) snapshot.counts[i] = counts_[i];
    snapshot.sum_seconds = static_cast<double>(sum_us_) / 1e6;
    return snapshot;
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_us_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_COMMON_HISTOGRAM_H_
