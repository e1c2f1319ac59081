// Reads protobuf's wire format field by field, without a message class.
//
// Every read is checked against the end of the bytes. A malformed message never throws and never
// reads outside: next() returns false and ok() is false from then on. Views point into the bytes
// given, which the caller keeps. Value type; one thread.
#ifndef SLUICE_FETCHER_TRANSCODE_WIRE_READER_H_
#define SLUICE_FETCHER_TRANSCODE_WIRE_READER_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::fetcher {

// On the wire: never change the numbers.
enum class WireType : std::uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kGroupStart = 3,
  kGroupEnd = 4,
  kFixed32 = 5,
};

// One field: its number, its type, and its content in the member that belongs to the type.
struct WireField {
  std::uint32_t number = 0;
  WireType type = WireType::kVarint;
  std::uint64_t scalar = 0;  // kVarint, kFixed64 and kFixed32
  std::string_view bytes;    // kBytes

  bool is(std::uint32_t wanted_number, WireType wanted_type) const {
    return number == wanted_number && type == wanted_type;
  }
  double as_double() const { return std::bit_cast<double>(scalar); }
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  // Reads the next field. False at the end of the message, and when it is malformed. Groups, which
  // no message of Teleport's has, count as malformed.
  bool next(WireField* field) {
    if (rest_.empty()) return false;
    std::uint64_t tag = 0;
    if (!read_varint(&tag)) return false;
    const std::uint64_t number = tag >> 3U;
    if (number == 0 || number > kFieldNumberMax) return set_malformed();
    field->number = static_cast<std::uint32_t>(number);
    field->type = static_cast<WireType>(tag & 7U);
    return read_content(field);
  }

  // Whether all that was read so far was well formed.
  bool ok() const { return ok_; }

 private:
  static constexpr std::uint64_t kFieldNumberMax = (1U << 29U) - 1;

  bool set_malformed() {
    rest_ = {};
    ok_ = false;
    return false;
  }

  bool read_content(WireField* field) {
    switch (field->type) {
      case WireType::kVarint:
        return read_varint(&field->scalar);
      case WireType::kFixed64:
        return read_fixed(8, &field->scalar);
      case WireType::kFixed32:
        return read_fixed(4, &field->scalar);
      case WireType::kBytes:
        return read_bytes(&field->bytes);
      case WireType::kGroupStart:
      case WireType::kGroupEnd:
        break;
    }
    return set_malformed();
  }

  bool read_varint(std::uint64_t* value) {
    std::uint64_t result = 0;
    for (std::size_t i = 0; i < rest_.size() && i < kVarintBytesMax; ++i) {
      const auto byte = static_cast<std::uint8_t>(rest_[i]);
      if (i == kVarintBytesMax - 1 && byte > 1) break;  // More than 64 bits.
      result |= static_cast<std::uint64_t>(byte & 0x7FU) << (7U * i);
      if ((byte & 0x80U) == 0) {
        rest_.remove_prefix(i + 1);
        *value = result;
        return true;
      }
    }
    return set_malformed();
  }

  bool read_fixed(std::size_t size, std::uint64_t* value) {
    if (rest_.size() < size) return set_malformed();
    std::uint64_t result = 0;
    for (std::size_t i = 0; i < size; ++i) {
      result |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(rest_[i])) << (8U * i);
    }
    rest_.remove_prefix(size);
    *value = result;
    return true;
  }

  bool read_bytes(std::string_view* bytes) {
    std::uint64_t size = 0;
    if (!read_varint(&size)) return false;
    if (size > rest_.size()) return set_malformed();
    *bytes = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(static_cast<std::size_t>(size));
    return true;
  }

  static constexpr std::size_t kVarintBytesMax = 10;

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TRANSCODE_WIRE_READER_H_
