// Events from Teleport: fetcher/transcode against protobuf's own parser.
//
// An event is taken exactly if protobuf reads it and the contract (second_reader.h) refuses none of
// it; its JSON is that of the message as protobuf reads it (expected_json.h). What is refused keeps
// its bytes and a reason.
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/time.h"
#include "fetcher/transcode/event.h"
#include "fetcher/transcode/sha256_hex.h"
#include "queue/record.h"
#include "teleport/auditlog/v1/auditlog.pb.h"
#include "tests/fuzz/expected_json.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/second_reader.h"
#include "tests/fuzz/vary_event.h"
#include "tests/fuzz/wire.h"

namespace sluice::fuzz {
namespace {

using fetcher::Event;
using fetcher::EventDecoder;
using fetcher::Reject;
using teleport::auditlog::v1::EventUnstructured;

// Three messages a level, and none of our hundred levels may be one too many for protobuf.
constexpr int kProtobufDepthMax = 1000;

std::optional<EventUnstructured> read_by_protobuf(std::string_view bytes) {
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(kProtobufDepthMax);
  EventUnstructured message;
  if (!message.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    return std::nullopt;
  }
  return message;
}

// Whether strptime would take it with Fluentd's format, with real days.
bool is_time_for_fluentd(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int read = 0;
  if (text.size() < 19 || text.find_first_not_of("0123456789") != 4 ||
      std::sscanf(text.c_str(), "%4d-%2u-%2uT%n", &year, &month, &day, &read) != 3 || read != 11) {
    return false;
  }
  for (const std::size_t at : {5, 6, 8, 9, 11, 12, 14, 15, 17, 18}) {
    if (text[at] < '0' || text[at] > '9') return false;
  }
  const std::string_view clock = std::string_view(text).substr(11, 8);
  return clock[2] == ':' && clock[5] == ':' && clock.substr(0, 2) <= "23" &&
         clock.substr(3, 2) <= "59" && clock.substr(6, 2) <= "60" &&
         std::chrono::year_month_day(std::chrono::year(year), std::chrono::month(month),
                                     std::chrono::day(day))
             .ok();
}

// Why the event must be refused; nothing if it must be taken.
std::optional<std::string> reason_against(const EventUnstructured& message) {
  if (message.type().size() > queue::kStringBytesMax ||
      message.id().size() > queue::kStringBytesMax) {
    return "a long id or type";
  }
  const auto& fields = message.unstructured().fields();
  const auto time = fields.find("time");
  if (time == fields.end() || !time->second.has_string_value()) return "no time in the body";
  const std::string& text = time->second.string_value();
  if (!is_time_for_fluentd(text)) return "an unusable time in the body";
  if (!message.has_time() && !parse_rfc3339(text)) return "no time at all";
  return std::nullopt;
}

std::string string_field(const EventUnstructured& message, const char* key) {
  const auto& fields = message.unstructured().fields();
  const auto found = fields.find(key);
  return found == fields.end() ? "" : found->second.string_value();
}

void check_event(const Event& event, const EventUnstructured& message) {
  if (const auto wrong = difference(message.unstructured(), event.json)) finding(*wrong);
  expect(nlohmann::json::accept(event.json), "the event's JSON is no JSON");
  expect(event.type == message.type(), "the event has another type");
  expect(event.index == message.index(), "the event has another index");
  expect(event.id == (message.id().empty() ? fetcher::sha256_hex(event.json) : message.id()),
         "the event has another id");
  if (message.has_time()) {
    expect(event.time.seconds == message.time().seconds() &&
               event.time.nanos == static_cast<std::uint32_t>(message.time().nanos()),
           "the event has another time");
  }
  expect(event.sid == (event.type == "session.upload" ? string_field(message, "sid") : ""),
         "the event has another session");
  const auto& fields = message.unstructured().fields();
  const auto success = fields.find("success");
  const std::string user = string_field(message, "user");
  const bool failed_login = event.type == "user.login" && !user.empty() &&
                            success != fields.end() && success->second.has_bool_value() &&
                            !success->second.bool_value();
  expect(event.failed_login.has_value() == failed_login, "a failed login is not taken for one");
  if (failed_login) {
    expect(event.failed_login->user == user &&
               event.failed_login->login == string_field(message, "login"),
           "the failed login is another user's");
  }
}

void check_reject(const Reject& reject, std::string_view bytes,
                  const std::optional<EventUnstructured>& message) {
  expect(reject.bytes == bytes, "a refused event's bytes are changed");
  expect(!reject.id.empty() && !reject.reason.empty(), "a refused event has no id or no reason");
  expect(nlohmann::json(reject.id + reject.type).dump().size() >= 2, "its strings are no UTF-8");
  // Protobuf goes on behind groups, for example; here nothing behind them is known.
  if (!message || !split(bytes)) return;
  expect(reject.id == (message->id().empty() || message->id().size() > queue::kStringBytesMax
                           ? fetcher::sha256_hex(bytes)
                           : message->id()),
         "a refused event loses its id");
  if (message->type().size() <= queue::kStringBytesMax) {
    expect(reject.type == message->type(), "a refused event loses its type");
  }
}

void run(std::string_view bytes) {
  google::protobuf::SetLogHandler(nullptr);
  static EventDecoder decoder;  // Kept: nothing may be left in it from the event before.
  const auto event = decoder.decode(bytes);
  const auto as_sent = read_by_protobuf(bytes);
  if (!event) check_reject(event.error(), bytes, as_sent);

  const auto plain = plain_event(bytes);
  const auto message = plain ? read_by_protobuf(*plain) : std::nullopt;
  std::optional<std::string> against;
  if (!plain) {
    against = plain.error();
  } else if (!message) {
    against = "protobuf does not read it";
  } else {
    against = reason_against(*message);
  }
  if (event && against) finding("taken, and must be refused: " + *against);
  if (!event && !against) finding("refused, and must be taken: " + event.error().reason);
  if (!event) return;
  check_event(*event, *message);
  // Where protobuf reads the bytes as they came, it must read the same in them.
  if (as_sent) check_event(*event, *as_sent);
}

}  // namespace

const FuzzTarget kTarget = {
    .run = &run, .seeds = &event_seeds, .vary = &vary_event, .bytes_max = 8192};

}  // namespace sluice::fuzz
