// The keys under which ids are remembered, so that an event that is served again is known.
// Internal to queue/.
#ifndef SLUICE_QUEUE_SEEN_KEY_H_
#define SLUICE_QUEUE_SEEN_KEY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/time.h"
#include "queue/bytes.h"
#include "queue/key_parts.h"

namespace sluice::queue {

// Ids that come at one time lie side by side, so that marking and finding them costs little in a
// large database: by their random ids alone it took as long as all else of an append.
inline constexpr std::uint32_t kBySecond = 0x8000'0000;
inline constexpr std::uint64_t kSecondOffset = 1ULL << 63;

inline std::string seen_key(std::uint32_t generation, std::int64_t second, std::string_view id) {
  std::string key;
  key.reserve(sizeof generation + sizeof second + id.size());
  put_big(&key, generation | kBySecond);
  put_big(&key, static_cast<std::uint64_t>(second) + kSecondOffset);
  key.append(id);
  return key;
}

// As version 1 of the format has it.
inline std::string seen_day_key(std::uint32_t generation, Day day, std::string_view id) {
  std::string key;
  put_big(&key, generation);
  put_day(&key, day);
  key.append(id);
  return key;
}

// When an event that has this key, of either kind, happened (a day's begin in version 1), if it is
// one of that id.
inline std::optional<Timestamp> seen_time(std::string_view key, std::string_view id) {
  ByteReader reader(key);
  const auto generation = reader.big<std::uint32_t>();
  if ((generation & kBySecond) != 0) {
    const auto second = reader.big<std::uint64_t>() - kSecondOffset;
    if (!reader.ok() || reader.rest() != id) return std::nullopt;
    return Timestamp{static_cast<std::int64_t>(second), 0};
  }
  const Day day = take_day(&reader);
  if (!reader.ok() || reader.rest() != id) return std::nullopt;
  return start_of_day(day);
}

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_SEEN_KEY_H_
