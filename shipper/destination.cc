#include "shipper/destination.h"

#include <algorithm>
#include <cctype>

namespace sluice::shipper {
namespace {

// No session id is longer; without a limit a damaged one could make a URL that no server takes.
constexpr std::size_t kRouteBytesMax = 128;

bool may_stand_in_url(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

std::string url_safe(std::string_view route) {
  std::string safe(route.substr(0, kRouteBytesMax));
  if (safe.empty()) return "_";
  std::replace_if(safe.begin(), safe.end(), [](char c) { return !may_stand_in_url(c); }, '_');
  return safe;
}

std::string_view server_of(std::string_view url) {
  const auto scheme_end = url.find("://");
  const auto host = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  return url.substr(0, url.find_first_of("/?#", host));
}

}  // namespace

bool is_same_server(std::string_view a, std::string_view b) {
  return std::ranges::equal(server_of(a), server_of(b), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

std::string with_path(std::string_view url, std::string_view path) {
  return std::string(server_of(url)).append("/").append(path);
}

std::string Destination::url_for(std::string_view route) const {
  if (lane_ == queue::Lane::kAudit) return url_;
  return url_ + "." + url_safe(route) + ".log";
}

}  // namespace sluice::shipper
