#include "shipper/entry_packer.h"

#include <simdjson.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <msgpack.hpp>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/check.h"
#include "common/time.h"
#include "shipper/string_sink.h"

namespace sluice::shipper {
namespace {

namespace ondemand = simdjson::ondemand;

// msgpack's marks that its packer does not write in the form that is needed.
constexpr char kArray2 = '\x92';
constexpr char kArray16 = '\xdc';
constexpr char kArray32 = '\xdd';
constexpr char kMap16 = '\xde';
constexpr char kMap32 = '\xdf';
constexpr char kUint32 = '\xce';
constexpr char kFloat64 = '\xcb';
constexpr std::string_view kEventTime("\xd7\x00", 2);  // 8 bytes of extension type 0
constexpr std::size_t kEventTimeBytes = 10;

using Packer = msgpack::packer<StringSink>;

template <typename Number>
void put_big_endian(Number number, std::string* out) {
  for (std::size_t shift = sizeof number * 8; shift > 0; shift -= 8) {
    out->push_back(static_cast<char>(number >> (shift - 8)));
  }
}

template <typename T>
T must(simdjson::simdjson_result<T> result) {
  T value;
  SLUICE_CHECK(std::move(result).get(value) == simdjson::SUCCESS, "an event is a JSON object");
  return value;
}

// The library's own packer makes integers of doubles that are whole, and of -0.0 a 0.
void put_double(double number, std::string* out) {
  out->push_back(kFloat64);
  put_big_endian(std::bit_cast<std::uint64_t>(number), out);
}

template <typename Integer>
std::optional<Integer> whole(std::string_view digits) {
  Integer number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [last, status] = std::from_chars(digits.data(), end, number);
  if (status != std::errc() || last != end) return std::nullopt;
  return number;
}

// A double that is too large becomes infinite, and one that is too small 0, as other readers have
// it.
double nearest_double(std::string_view digits) {
  double number = 0;
  const auto [last, status] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (status == std::errc()) return number;
  return std::strtod(std::string(digits).c_str(), nullptr);
}

void put_number(std::string_view digits, std::string* out) {
  if (digits == "-0") return put_double(-0.0, out);
  StringSink sink(out);
  Packer packer(sink);
  if (const auto positive = whole<std::uint64_t>(digits)) {
    packer.pack_uint64(*positive);
  } else if (const auto negative = whole<std::int64_t>(digits)) {
    packer.pack_int64(*negative);
  } else {
    put_double(nearest_double(digits), out);
  }
}

void put_string(std::string_view text, std::string* out) {
  StringSink sink(out);
  Packer packer(sink);
  packer.pack_str(static_cast<std::uint32_t>(text.size()));
  packer.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

// What `put_all` appends, behind a head with its number of members, which it returns and which is
// known only then.
template <typename PutAll>
void put_counted(char mark16, char mark32, std::string* out, const PutAll& put_all) {
  const std::size_t head = out->size();
  out->append({mark16, 0, 0});
  const std::size_t count = put_all();
  std::string counted(1, mark16);
  if (count <= std::numeric_limits<std::uint16_t>::max()) {
    put_big_endian(static_cast<std::uint16_t>(count), &counted);
  } else {
    counted[0] = mark32;
    put_big_endian(static_cast<std::uint32_t>(count), &counted);
  }
  out->replace(head, 3, counted);
}

void put_value(ondemand::value value, std::string* out);

void put_array(ondemand::array array, std::string* out) {
  put_counted(kArray16, kArray32, out, [&] {
    std::size_t count = 0;
    for (auto element : array) {
      put_value(must(element), out);
      ++count;
    }
    return count;
  });
}

// Of the outermost object, also finds its time.
void put_object(ondemand::object object, std::string* out, std::optional<Timestamp>* time) {
  put_counted(kMap16, kMap32, out, [&] {
    std::size_t count = 0;
    for (auto member : object) {
      auto field = must(std::move(member));
      const std::string_view key = must(field.unescaped_key());
      put_string(key, out);
      ondemand::value value = field.value();
      if (time != nullptr && key == "time" && must(value.type()) == ondemand::json_type::string) {
        const std::string_view text = must(value.get_string());
        if (const auto parsed = parse_rfc3339(text)) *time = *parsed;
        put_string(text, out);
      } else {
        put_value(value, out);
      }
      ++count;
    }
    return count;
  });
}

std::string_view trimmed_token(std::string_view token) {
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

void put_value(ondemand::value value, std::string* out) {
  switch (must(value.type())) {
    case ondemand::json_type::object:
      return put_object(must(value.get_object()), out, nullptr);
    case ondemand::json_type::array:
      return put_array(must(value.get_array()), out);
    case ondemand::json_type::string:
      return put_string(must(value.get_string()), out);
    case ondemand::json_type::number:
      return put_number(trimmed_token(value.raw_json_token()), out);
    case ondemand::json_type::boolean:
      out->push_back(must(value.get_bool()) ? '\xc3' : '\xc2');
      return;
    case ondemand::json_type::null:
      out->push_back('\xc0');
      return;
  }
}

std::string packed_time(Timestamp time) {
  std::string packed;
  if (time.seconds >= 0 && time.seconds <= std::numeric_limits<std::uint32_t>::max()) {
    packed = kEventTime;
    put_big_endian(static_cast<std::uint32_t>(time.seconds), &packed);
    put_big_endian(time.nanos, &packed);
  } else {
    StringSink sink(&packed);
    Packer(sink).pack_int64(time.seconds);
  }
  return packed;
}

}  // namespace

struct EntryPacker::Impl {
  ondemand::parser parser;
  std::string json;  // the event that is being packed, with room behind it
};

EntryPacker::EntryPacker() : impl_(std::make_unique<Impl>()) {}
EntryPacker::~EntryPacker() = default;

void EntryPacker::append(const queue::StoredRecord& stored, const Stamp& stamp, std::string* out) {
  std::string& json = impl_->json;
  json.clear();
  append_event(stored, stamp, &json);
  json.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  auto document = must(impl_->parser.iterate(json.data(), json.size(), json.capacity()));
  out->push_back(kArray2);
  const std::size_t time_at = out->size();
  out->append(kEventTimeBytes, '\0');
  std::optional<Timestamp> time;
  put_object(must(document.get_object()), out, &time);
  out->replace(time_at, kEventTimeBytes, packed_time(time.value_or(stored.record.time)));
}

void put_uint32(std::uint32_t number, std::string* out) {
  out->push_back(kUint32);
  put_big_endian(number, out);
}

}  // namespace sluice::shipper
