#include "shipper/destination.h"

#include <algorithm>

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

}  // namespace

std::string Destination::url_for(std::string_view route) const {
  if (lane_ == queue::Lane::kAudit) return url_;
  return url_ + "." + url_safe(route) + ".log";
}

}  // namespace sluice::shipper
