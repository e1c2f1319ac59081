// The queue's plain types: lanes, sequence numbers, epochs, ids.
#ifndef SLUICE_QUEUE_TYPES_H_
#define SLUICE_QUEUE_TYPES_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::queue {

// An independent ordered log. The numbers are on disk: never change them.
enum class Lane : std::uint8_t { kAudit = 0, kSession = 1 };
inline constexpr std::size_t kLaneCount = 2;
inline constexpr std::array<Lane, kLaneCount> kLanes = {Lane::kAudit, Lane::kSession};

std::string_view name_of(Lane lane);  // "audit", "session"
std::optional<Lane> lane_from_name(std::string_view name);

// One T for each lane, indexed by Lane.
template <typename T>
class PerLane {
 public:
  PerLane() = default;
  PerLane(T audit, T session) : values_{std::move(audit), std::move(session)} {}
  T& operator[](Lane lane) { return values_[static_cast<std::size_t>(lane)]; }
  const T& operator[](Lane lane) const { return values_[static_cast<std::size_t>(lane)]; }
  bool operator==(const PerLane&) const = default;

 private:
  std::array<T, kLaneCount> values_{};
};

// A record's number within its lane: dense from 1. 0 means "none yet".
using Seq = std::uint64_t;

// first..last, both included.
struct SeqRange {
  Seq first = 0;
  Seq last = 0;
  std::uint64_t count() const { return last - first + 1; }
  auto operator<=>(const SeqRange&) const = default;
};

// A random 128-bit id: of a queue, or of a delivery store.
struct Id128 {
  std::array<std::uint8_t, 16> bytes{};
  static Id128 random();
  bool is_zero() const { return *this == Id128{}; }
  std::string to_string() const;     // 32 hex digits
  std::string short_string() const;  // "7f3c-91ab": for people
  auto operator<=>(const Id128&) const = default;
};

// Which opening of the queue for writing: a count, and a random number that tells apart two
// histories that have counted the same (a queue restored from a backup counts on from there).
struct Epoch {
  std::uint64_t number = 0;
  std::uint64_t nonce = 0;
  auto operator<=>(const Epoch&) const = default;
};

// A number and the epoch that gave it: tells apart records that had the same number.
struct RecordKey {
  Lane lane = Lane::kAudit;
  Seq seq = 0;
  std::uint64_t epoch = 0;
  auto operator<=>(const RecordKey&) const = default;
};

// The queue's own durable statement that `epoch` began with these sequence numbers.
struct EpochRow {
  Epoch epoch;
  PerLane<Seq> first;
  std::int64_t opened_at_ms = 0;  // unix time
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_TYPES_H_
