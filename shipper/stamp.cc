#include "shipper/stamp.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "common/check.h"

namespace sluice::shipper {
namespace {

void append_quoted(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out->push_back('\\');
    if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

void append_stamp(const queue::StoredRecord& stored, const Stamp& stamp, std::string* out) {
  const auto end = std::back_inserter(*out);
  *out += R"("_sluice":{)";
  if (stamp.replay) fmt::format_to(end, R"("replay":{},)", *stamp.replay);
  if (!stamp.queue.empty()) fmt::format_to(end, R"("queue":"{}",)", stamp.queue);
  fmt::format_to(end, R"("lane":"{}","seq":{})", queue::name_of(stamp.lane), stored.seq);
  if (!stamp.queue.empty()) {
    *out += R"(,"id":)";
    append_quoted(stored.record.id, out);
  }
  out->push_back('}');
}

}  // namespace

void append_event(const queue::StoredRecord& stored, const Stamp& stamp, std::string* out) {
  const std::string_view body = stored.record.body;
  if (!stamp.says_anything()) {
    out->append(body);
    return;
  }
  const std::size_t end = body.rfind('}');
  SLUICE_CHECK(end != std::string_view::npos, "an event is a JSON object");
  // What stands before the closing brace is the opening one only if the object is empty: inside a
  // member it would be followed by that member's own closing brace.
  const std::size_t before = body.find_last_not_of(" \t\r\n", end == 0 ? 0 : end - 1);
  const bool is_empty = before != std::string_view::npos && body[before] == '{';
  out->append(body.substr(0, end));
  if (!is_empty) out->push_back(',');
  append_stamp(stored, stamp, out);
  out->append(body.substr(end));
}

}  // namespace sluice::shipper
