// Fixed-width integers and sized strings as bytes, the way every value and key of the queue has
// them: values little-endian, keys big-endian (so that RocksDB's byte order is numeric order).
//
// Header-only, pure, any thread. A ByteReader never reads beyond its bytes: after the first short
// read, ok() is false and everything reads as zero or empty.
#ifndef SLUICE_QUEUE_BYTES_H_
#define SLUICE_QUEUE_BYTES_H_

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sluice::queue {

static_assert(std::endian::native == std::endian::little ||
              std::endian::native == std::endian::big);

template <std::unsigned_integral T>
constexpr T swap_bytes(T value) {
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    return __builtin_bswap64(value);
  }
}

template <std::unsigned_integral T>
void put_little(std::string* out, T value) {
  if constexpr (std::endian::native == std::endian::big) value = swap_bytes(value);
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <std::unsigned_integral T>
void put_big(std::string* out, T value) {
  if constexpr (std::endian::native == std::endian::little) value = swap_bytes(value);
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

// A u32 length and the bytes.
inline void put_sized(std::string* out, std::string_view bytes) {
  put_little(out, static_cast<std::uint32_t>(bytes.size()));
  out->append(bytes);
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T little() {
    T value = raw<T>();
    if constexpr (std::endian::native == std::endian::big) value = swap_bytes(value);
    return value;
  }
  template <std::unsigned_integral T>
  T big() {
    T value = raw<T>();
    if constexpr (std::endian::native == std::endian::little) value = swap_bytes(value);
    return value;
  }
  std::string_view bytes(std::size_t count) {
    if (rest_.size() < count) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view sized() { return bytes(little<std::uint32_t>()); }
  std::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }
  // Whether everything was there and nothing is left over.
  bool finished() const { return ok_ && rest_.empty(); }

 private:
  template <std::unsigned_integral T>
  T raw() {
    const std::string_view taken = bytes(sizeof(T));
    T value{};
    if (taken.size() == sizeof(T)) std::memcpy(&value, taken.data(), sizeof(T));
    return value;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_BYTES_H_
