#include "shipper/replay/mark.h"

#include <fmt/format.h>

#include "common/check.h"

namespace sluice::shipper {

std::string marked(std::string_view body, std::uint64_t job, queue::Lane lane, queue::Seq seq) {
  const std::size_t end = body.rfind('}');
  SLUICE_CHECK(end != std::string_view::npos, "an event is a JSON object");
  // What stands before the closing brace is the opening one only if the object is empty: inside a
  // member it would be followed by that member's own closing brace.
  const std::size_t before = body.find_last_not_of(" \t\r\n", end == 0 ? 0 : end - 1);
  const bool is_empty = before != std::string_view::npos && body[before] == '{';
  return fmt::format(R"({}{}"_sluice":{{"replay":{},"lane":"{}","seq":{}}}{})", body.substr(0, end),
                     is_empty ? "" : ",", job, queue::name_of(lane), seq, body.substr(end));
}

}  // namespace sluice::shipper
