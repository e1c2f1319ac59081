// The parts that several keys and values of the queue share: days and ids. Internal to queue/.
//
// Header-only, pure, any thread.
#ifndef SLUICE_QUEUE_KEY_PARTS_H_
#define SLUICE_QUEUE_KEY_PARTS_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/time.h"
#include "queue/bytes.h"
#include "queue/types.h"

namespace sluice::queue {

// Added to a day, so that days before 1970 sort first.
inline constexpr std::uint32_t kDayOffset = 0x8000'0000;

inline void put_day(std::string* out, Day day) {
  put_big(out, static_cast<std::uint32_t>(day) + kDayOffset);
}
inline Day take_day(ByteReader* reader) {
  return static_cast<Day>(reader->big<std::uint32_t>() - kDayOffset);
}

inline std::string id_bytes(const Id128& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

// Zero if `bytes` is not an id.
inline Id128 id_from_bytes(std::string_view bytes) {
  Id128 id;
  if (bytes.size() == id.bytes.size()) std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  return id;
}

inline Id128 take_id(ByteReader* reader) { return id_from_bytes(reader->bytes(sizeof(Id128))); }

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_KEY_PARTS_H_
