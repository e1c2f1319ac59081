#include "fetcher/transcode/event.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <optional>
#include <utility>

#include "fetcher/transcode/sha256_hex.h"
#include "fetcher/transcode/wire_reader.h"
#include "queue/record.h"

namespace sluice::fetcher {
namespace {

// Fields of EventUnstructured.
constexpr std::uint32_t kType = 1;
constexpr std::uint32_t kId = 2;
constexpr std::uint32_t kTime = 3;
constexpr std::uint32_t kIndex = 4;
constexpr std::uint32_t kBody = 5;

// Fields of google.protobuf.Timestamp.
constexpr std::uint32_t kSeconds = 1;
constexpr std::uint32_t kNanos = 2;
constexpr std::uint64_t kNanosMax = 999'999'999;

// Indexes of the Transcoder's wanted keys.
constexpr std::size_t kWantedTime = 0;
constexpr std::size_t kWantedSid = 1;
constexpr std::size_t kWantedSuccess = 2;
constexpr std::size_t kWantedUser = 3;
constexpr std::size_t kWantedLogin = 4;

constexpr std::string_view kUploadType = "session.upload";
constexpr std::string_view kLoginType = "user.login";

std::optional<Timestamp> read_timestamp(std::string_view message) {
  WireReader reader(message);
  WireField field;
  Timestamp time;
  while (reader.next(&field)) {
    if (field.is(kSeconds, WireType::kVarint)) {
      time.seconds = static_cast<std::int64_t>(field.scalar);
    } else if (field.is(kNanos, WireType::kVarint)) {
      if (field.scalar > kNanosMax) return std::nullopt;
      time.nanos = static_cast<std::uint32_t>(field.scalar);
    }
  }
  if (!reader.ok() || time.seconds < kTimestampSecondsMin || time.seconds > kTimestampSecondsMax) {
    return std::nullopt;
  }
  return time;
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

// A number of `digits` digits at `position`, or -1.
int number_at(std::string_view text, std::size_t position, std::size_t digits) {
  int value = 0;
  for (std::size_t i = position; i < position + digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

int days_in_month(int year, int month) {
  if (month == 2) {
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return leap ? 29 : 28;
  }
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// Whether a record can have `text` as its id or type.
bool fits_record(std::string_view text) {
  return text.size() <= queue::kStringBytesMax && is_utf8(text);
}

}  // namespace

bool is_usable_time(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() < kShape.size()) return false;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] != '0' && kShape[i] != text[i]) return false;
  }
  const int year = number_at(text, 0, 4);
  const int month = number_at(text, 5, 2);
  const int day = number_at(text, 8, 2);
  const int hour = number_at(text, 11, 2);
  const int minute = number_at(text, 14, 2);
  const int second = number_at(text, 17, 2);
  return year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= days_in_month(year, month) &&
         hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 60;
}

struct EventDecoder::Envelope {
  std::string_view type;
  std::string_view id;
  std::optional<Timestamp> time;
  std::int64_t index = 0;
  std::optional<std::string_view> body;
  const char* defect = nullptr;  // why this cannot be an event, as far as the envelope says
};

EventDecoder::EventDecoder() : transcoder_({"time", "sid", "success", "user", "login"}) {}

// Takes what can be read. False when the bytes are not protobuf at all from some point on.
bool EventDecoder::read_envelope(std::string_view message, Envelope* envelope) {
  WireReader reader(message);
  WireField field;
  bool has_time = false;
  while (reader.next(&field)) {
    if (field.is(kType, WireType::kBytes)) {
      envelope->type = field.bytes;
    } else if (field.is(kId, WireType::kBytes)) {
      envelope->id = field.bytes;
    } else if (field.is(kTime, WireType::kBytes)) {
      if (std::exchange(has_time, true)) envelope->defect = "it has two times";
      envelope->time = read_timestamp(field.bytes);
      if (!envelope->time) envelope->defect = "its time is not a valid protobuf Timestamp";
    } else if (field.is(kIndex, WireType::kVarint)) {
      envelope->index = static_cast<std::int64_t>(field.scalar);
    } else if (field.is(kBody, WireType::kBytes)) {
      if (envelope->body) envelope->defect = "it has two bodies";
      envelope->body = field.bytes;
    }
  }
  return reader.ok();
}

std::expected<Event, std::string> EventDecoder::to_event(const Envelope& envelope) {
  if (envelope.defect != nullptr) return std::unexpected(envelope.defect);
  if (!envelope.body) return std::unexpected("it has no body");
  if (envelope.body->size() > kEventBytesMax) {
    return std::unexpected(fmt::format("its body has {} bytes, and {} are the most that is taken",
                                       envelope.body->size(), kEventBytesMax));
  }
  if (!fits_record(envelope.type) || !fits_record(envelope.id)) {
    return std::unexpected("its type or id is not valid UTF-8, or longer than 65535 bytes");
  }
  const auto json = transcoder_.transcode(*envelope.body);
  if (!json) return std::unexpected(json.error().message);
  if (json->size() > queue::kBodyBytesMax) {
    return std::unexpected(fmt::format("its JSON has {} bytes, and {} are the most that is kept",
                                       json->size(), queue::kBodyBytesMax));
  }
  const auto time_text = transcoder_.wanted(kWantedTime);
  if (!time_text) return std::unexpected("its body has no \"time\" that is a string");
  if (!is_usable_time(*time_text)) {
    return std::unexpected("the \"time\" in its body is not of the form YYYY-MM-DDTHH:MM:SS");
  }
  Event event;
  event.type = envelope.type;
  event.index = envelope.index;
  event.json = *json;
  event.id = envelope.id.empty() ? sha256_hex(event.json) : std::string(envelope.id);
  if (envelope.time) {
    event.time = *envelope.time;
  } else if (const auto parsed = parse_rfc3339(*time_text); parsed) {
    event.time = *parsed;
  } else {
    return std::unexpected("it has no time of its own, and the \"time\" in its body has no zone");
  }
  if (event.type == kUploadType) event.sid = transcoder_.wanted(kWantedSid).value_or("");
  if (event.type == kLoginType) event.failed_login = failed_login();
  return event;
}

std::optional<FailedLogin> EventDecoder::failed_login() const {
  const auto user = transcoder_.wanted(kWantedUser);
  if (transcoder_.wanted_bool(kWantedSuccess) != false || !user || user->empty()) {
    return std::nullopt;
  }
  return FailedLogin{std::string(*user),
                     std::string(transcoder_.wanted(kWantedLogin).value_or(""))};
}

std::expected<Event, Reject> EventDecoder::decode(std::string_view message) {
  Envelope envelope;
  if (!read_envelope(message, &envelope)) {
    envelope.defect = "the message is not well-formed protobuf";
  }
  auto event = to_event(envelope);
  if (event) return std::move(*event);
  Reject reject;
  const bool has_id = !envelope.id.empty() && fits_record(envelope.id);
  reject.id = has_id ? std::string(envelope.id) : sha256_hex(message);
  if (fits_record(envelope.type)) reject.type = envelope.type;
  reject.time = envelope.time.value_or(Timestamp{});
  reject.index = envelope.index;
  reject.reason = "the event cannot be shipped: " + event.error();
  // What is too large to be kept as an event is so as a dead letter, too; the reason says its size.
  if (message.size() <= kEventBytesMax) reject.bytes = message;
  return std::unexpected(std::move(reject));
}

}  // namespace sluice::fetcher
