#include "common/backoff.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

#include "common/random.h"

namespace sluice {
namespace {

// Longer waits would overflow the deadline; nobody waits for a year.
constexpr std::chrono::milliseconds kSleepMax = std::chrono::hours(24 * 365);

// SplitMix64: the step of its state, and a state well mixed.
constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;

std::uint64_t mix(std::uint64_t mixed) {
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

}  // namespace

// The system is asked once: each batch under way has a Backoff, and to ask for each took an eighth
// of the processor time of a request.
std::uint64_t random_seed() {
  static std::atomic<std::uint64_t> state = random_u64();
  return mix(state.fetch_add(kStep));
}

Backoff::Backoff(std::chrono::milliseconds base, std::chrono::milliseconds cap, std::uint64_t seed)
    : base_(std::clamp(base, std::chrono::milliseconds(1), kSleepMax)),
      cap_(std::clamp(cap, base_, kSleepMax)),
      last_(base_),
      random_state_(seed) {}

std::chrono::milliseconds Backoff::next() {
  const auto width = static_cast<std::uint64_t>((last_ * 3 - base_).count()) + 1;
  const auto above_base = static_cast<std::int64_t>(mix(random_state_ += kStep) % width);
  last_ = std::min(cap_, base_ + std::chrono::milliseconds(above_base));
  return last_;
}

void Backoff::reset() { last_ = base_; }

bool sleep_for(const std::stop_token& stop, std::chrono::milliseconds duration) {
  std::mutex mutex;
  std::condition_variable_any wakes;
  std::unique_lock lock(mutex);
  wakes.wait_for(lock, stop, std::min(duration, kSleepMax), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace sluice
