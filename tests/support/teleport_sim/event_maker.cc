#include "tests/support/teleport_sim/event_maker.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <string_view>
#include <utility>

#include "tests/support/teleport_sim/dice.h"
#include "tests/support/teleport_sim/event_templates.h"

namespace sluice::teleport_sim {
namespace {

// Keeps the dice of different purposes apart.
enum Purpose : std::uint64_t { kUid = 1, kBody, kKind, kSid, kChunk, kRecording, kRecordingUid };

constexpr std::int64_t kUploadIndex = std::numeric_limits<std::int32_t>::max();

// Plain words, then what encoders get wrong: every escape, control characters, two-, three- and
// four-byte characters, a joined emoji, combining and right-to-left marks, markup, the line
// separators that JavaScript minds, and the highest code point.
using namespace std::string_view_literals;
constexpr std::array kPieces = {"select"sv,
                                "from"sv,
                                "accounts"sv,
                                "/usr/bin/env"sv,
                                "--verbose"sv,
                                "kubectl"sv,
                                "prod"sv,
                                "eu-west-1"sv,
                                "alice"sv,
                                "="sv,
                                "a\"b"sv,
                                "c\\d"sv,
                                "\t\n\r"sv,
                                "\b\f\x01"sv,
                                "\x1f\x7f"sv,
                                "ü ß é"sv,
                                "Жизнь"sv,
                                "漢字かな"sv,
                                "🚀"sv,
                                "👩‍💻"sv,
                                "𝒳𐍈"sv,
                                "e\xcc\x81"sv,
                                "‏עברית"sv,
                                "<b>&'</b>"sv,
                                "\u2028\u2029"sv,
                                "\xf4\x8f\xbf\xbf"sv,
                                "\xef\xbf\xbd\xef\xbb\xbf"sv,
                                "null"sv,
                                "nul\0byte"sv};

std::string make_text(Dice& dice, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    // Two of three pieces are plain, as in real events.
    const std::uint64_t piece = dice.one_in(3) ? dice.below(kPieces.size()) : dice.below(10);
    text += kPieces[piece];
    text += ' ';
  }
  return text;
}

std::string make_base64(Dice& dice, std::size_t bytes) {
  std::string raw;
  for (std::size_t i = 0; i < bytes; ++i) raw += static_cast<char>(dice.below(256));
  std::string encoded((bytes + 2) / 3 * 4 + 1, '\0');
  const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                     reinterpret_cast<const unsigned char*>(raw.data()),
                                     static_cast<int>(raw.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return encoded;
}

double make_big(Dice& dice) {
  switch (dice.below(4)) {
    case 0:
      return static_cast<double>(9007199254740991U - dice.below(100));  // up to 2^53
    case 1:
      return static_cast<double>(dice.next());  // up to 2^64, digits lost
    case 2:
      return 1e300 * static_cast<double>(dice.below(1000));
    default:
      return 4294968064.0;
  }
}

double make_fraction(Dice& dice) {
  switch (dice.below(4)) {
    case 0:
      return static_cast<double>(dice.below(1'000'000)) / 997;
    case 1:
      return 5e-324;  // the least above zero
    case 2:
      return -1e-7 * static_cast<double>(dice.below(1000) + 1);
    default:
      return 0.1;
  }
}

nlohmann::json make_value(std::string_view name, Dice& dice) {
  if (name == "$user") return fmt::format("user-{}@example.com", dice.below(500));
  if (name == "$login") return dice.one_in(4) ? "root" : fmt::format("login{}", dice.below(20));
  if (name == "$host") return fmt::format("node-{}.example.com", dice.below(300));
  if (name == "$addr") {
    return fmt::format("10.{}.{}.{}:{}", dice.below(256), dice.below(256), dice.below(256),
                       1024 + dice.below(60000));
  }
  if (name == "$uuid") return dice.uuid();
  if (name == "$word") return fmt::format("{}-{}", kPieces[dice.below(9)], dice.below(100));
  if (name == "$text") return make_text(dice, 4 + dice.below(60));
  if (name == "$int") return dice.below(100'000);
  if (name == "$big") return make_big(dice);
  if (name == "$negative") return -static_cast<std::int64_t>(dice.below(1'000'000));
  if (name == "$fraction") return make_fraction(dice);
  if (name == "$bool") return dice.one_in(2);
  if (name == "$path") return fmt::format("/var/lib/{}/{}", kPieces[dice.below(9)], dice.uuid());
  if (name == "$base64") return make_base64(dice, 20 + dice.below(100));
  return std::string(name);
}

nlohmann::json fill_in(const nlohmann::json& shape, Dice& dice) {
  if (shape.is_string()) {
    const auto& text = shape.get_ref<const std::string&>();
    return text.starts_with('$') ? make_value(text, dice) : shape;
  }
  if (!shape.is_structured()) return shape;
  nlohmann::json filled = shape;
  for (auto& member : filled) member = fill_in(member, dice);
  return filled;
}

// How much text to add to an event of about 500 bytes.
std::size_t choose_padding(Dice& dice, std::uint32_t number) {
  if (number % 4001 == 777) return 200'000 + dice.below(500'000);
  const std::uint64_t percentile = dice.below(1000);
  if (percentile < 500) return 150 + dice.below(450);
  if (percentile < 900) return 400 + dice.below(1'600);
  if (percentile < 980) return 2'000 + dice.below(6'000);
  return 8'000 + dice.below(20'000);
}

// With no fraction digits, three, nine, or as Go writes it, without the zeros at the end.
std::string write_time(Timestamp time, Dice& dice) {
  const std::time_t seconds = time.seconds;
  std::tm date{};
  ::gmtime_r(&seconds, &date);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &date);
  std::string written(text.data(), size);
  if (time.nanos % 1'000'000 == 0) {
    if (time.nanos != 0 || dice.one_in(2)) written += fmt::format(".{:03}", time.nanos / 1'000'000);
  } else {
    written += fmt::format(".{:09}", time.nanos);
    if (dice.one_in(2)) written.erase(written.find_last_not_of('0') + 1);
  }
  return written + "Z";
}

const EventTemplate& audit_template(std::string_view type) {
  const auto& all = audit_templates();
  return *std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.type == type; });
}

bool has_uid(const Entry& entry) { return entry.number % 97 != 13; }

Event finish(nlohmann::json body, Timestamp time, std::int64_t index) {
  Event event;
  event.type = body["event"].get<std::string>();
  event.time = time;
  event.index = index;
  event.id = body.contains("uid") ? body["uid"].get<std::string>() : hash_id(body);
  event.body = std::move(body);
  return event;
}

Timestamp recording_time(const Session& session, std::uint32_t index, std::uint32_t events) {
  constexpr std::int64_t kStepMs = 37;
  const std::int64_t back_ms = 1000 + kStepMs * (std::int64_t{events} - index);
  return from_unix_ms(to_unix_ms(session.uploaded_at) - back_ms);
}

}  // namespace

EventMaker::EventMaker(std::uint64_t seed, std::string cluster, std::vector<Event> real_audit,
                       std::vector<Event> real_recording)
    : seed_(seed),
      cluster_(std::move(cluster)),
      real_audit_(std::move(real_audit)),
      real_recording_(std::move(real_recording)) {}

// The time is part of it: an event that is made at another moment after a restart is another event.
std::string EventMaker::uid(const Entry& entry) const {
  return Dice{seed_, kUid, entry.number, static_cast<std::uint64_t>(entry.time.seconds),
              entry.time.nanos}
      .uuid();
}

std::string EventMaker::session_id(std::uint32_t session_number) const {
  return Dice{seed_, kSid, session_number}.uuid();
}

std::string EventMaker::chunk_name(Day day, std::uint32_t first_number) const {
  return Dice{seed_, kChunk, static_cast<std::uint64_t>(day), first_number}.uuid();
}

std::string EventMaker::audit_type(const Entry& entry) const {
  if (entry.session != Entry::kNoSession) return "session.upload";
  if (entry.number < real_audit_.size()) return real_audit_[entry.number].type;
  Dice dice{seed_, kKind, entry.number};
  return audit_templates()[dice.below(audit_templates().size())].type;
}

std::string EventMaker::audit_id(const Entry& entry, const std::string& sid) const {
  const bool made_up = entry.session == Entry::kNoSession && entry.number >= real_audit_.size();
  if (entry.session != Entry::kNoSession || (made_up && has_uid(entry))) return uid(entry);
  return made_up ? audit_event(entry, sid).id : real_audit_[entry.number].id;
}

Event EventMaker::audit_event(const Entry& entry, const std::string& sid) const {
  if (entry.session != Entry::kNoSession) return upload_event(entry, sid);
  if (entry.number < real_audit_.size()) return real_audit_[entry.number];
  return made_up_event(entry);
}

Event EventMaker::upload_event(const Entry& entry, const std::string& sid) const {
  Dice dice{seed_, kBody, entry.number};
  nlohmann::json body = {{"event", "session.upload"},
                         {"code", "T2005I"},
                         {"uid", uid(entry)},
                         {"ei", kUploadIndex},
                         {"sid", sid},
                         {"time", write_time(entry.time, dice)},
                         {"cluster_name", cluster_},
                         {"url", fmt::format("file:///recordings/{}.tar", sid)}};
  return finish(std::move(body), entry.time, kUploadIndex);
}

Event EventMaker::made_up_event(const Entry& entry) const {
  Dice kind{seed_, kKind, entry.number};
  const EventTemplate& chosen = audit_templates()[kind.below(audit_templates().size())];
  Dice dice{seed_, kBody, entry.number};
  nlohmann::json body = fill_in(chosen.shape, dice);
  const auto index = static_cast<std::int64_t>(dice.one_in(3) ? dice.below(500) : 0);
  body["event"] = chosen.type;
  body["code"] = chosen.code;
  body["ei"] = index;
  body["time"] = write_time(entry.time, dice);
  if (!dice.one_in(10)) body["cluster_name"] = cluster_;
  body["details"] = make_text(dice, choose_padding(dice, entry.number) + entry.more_bytes);
  if (has_uid(entry)) {
    body["uid"] = uid(entry);
  } else {
    // Two events of one kind and time must still differ, as their hash is their identity.
    body["entry"] = entry.number;
  }
  return finish(std::move(body), entry.time, index);
}

Event EventMaker::recording_event(const Session& session, std::uint32_t index) const {
  if (!real_recording_.empty()) {
    Event event = real_recording_[index];
    event.body["sid"] = session.sid;
    if (!event.body.contains("uid")) event.id = hash_id(event.body);
    return event;
  }
  Dice dice{seed_, kRecording, session.number, index};
  const Timestamp time = recording_time(session, index, session.events);
  nlohmann::json body = {{"sid", session.sid}, {"ei", index}, {"time", write_time(time, dice)}};
  const bool first = index == 0;
  const bool last = index + 1 == session.events;
  if (!first && !last && !dice.one_in(3)) {
    body.update({{"event", "print"},
                 {"ci", index},
                 {"bytes", 40 + dice.below(60)},
                 {"ms", index * 37},
                 {"offset", index * 80}});
    Event event = finish(std::move(body), time, index);
    // Teleport hashes first and adds the terminal's bytes afterwards.
    event.body["data"] = make_base64(dice, 20 + dice.below(200));
    return event;
  }
  const EventTemplate& chosen =
      first  ? audit_template("session.start")
      : last ? audit_template("session.end")
             : recording_templates()[dice.below(recording_templates().size())];
  nlohmann::json filled = fill_in(chosen.shape, dice);
  filled.update(body);
  filled["event"] = chosen.type;
  filled["code"] = chosen.code;
  filled["cluster_name"] = cluster_;
  filled["uid"] = Dice{seed_, kRecordingUid, session.number, index,
                       static_cast<std::uint64_t>(to_unix_ms(session.uploaded_at))}
                      .uuid();
  return finish(std::move(filled), time, index);
}

}  // namespace sluice::teleport_sim
