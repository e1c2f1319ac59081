// Protobuf's wire format for the fuzzers, apart from the reader that they put to the test, and how
// the messages lie in each other in an EventUnstructured. Pure.
#ifndef SLUICE_TESTS_FUZZ_WIRE_H_
#define SLUICE_TESTS_FUZZ_WIRE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::fuzz {

enum class Shape { kNone, kEvent, kTimestamp, kStruct, kEntry, kValue, kList };

// Of what shape the content of this field is; kNone: it is no message.
Shape shape_within(Shape message, std::uint32_t number);

inline constexpr int kVarint = 0;
inline constexpr int kFixed64 = 1;
inline constexpr int kBytes = 2;
inline constexpr int kFixed32 = 5;

struct Field {
  std::uint32_t number = 0;
  int type = kVarint;
  std::uint64_t scalar = 0;  // of the types that are numbers
  std::string_view bytes;    // of kBytes

  bool is(std::uint32_t wanted_number, int wanted_type) const {
    return number == wanted_number && type == wanted_type;
  }
};

// The message's fields in their order. Nothing if it is malformed; groups count as that.
std::optional<std::vector<Field>> split(std::string_view message);

void put(const Field& field, std::string* out);

}  // namespace sluice::fuzz

#endif  // SLUICE_TESTS_FUZZ_WIRE_H_
