#include "common/host_port.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace sluice {
namespace {

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* const text_end = text.data() + text.size();
  const auto [end, status] = std::from_chars(text.data(), text_end, port);
  return status == std::errc() && end == text_end && port != 0;
}

}  // namespace

bool is_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !is_port(text.substr(colon + 1))) return false;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    return host.size() > 2 && host.find_first_not_of("0123456789abcdefABCDEF:.%[]") == host.npos;
  }
  return !host.empty() && host.find_first_of(":/[]@\"'\\") == host.npos &&
         std::ranges::none_of(host, [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

}  // namespace sluice
