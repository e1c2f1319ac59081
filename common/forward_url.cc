#include "common/forward_url.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/check.h"
#include "common/host_port.h"

namespace sluice {
namespace {

constexpr std::string_view kPlain = "forward://";
constexpr std::string_view kTls = "forward+tls://";
constexpr std::string_view kDefaultPort = "24224";

std::unexpected<Error> mistake(std::string message) {
  return fail(ErrorKind::kConfig, std::move(message));
}

bool has_blank(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

Result<void> read_authority(std::string_view authority, ForwardUrl* url) {
  if (authority.find('@') != std::string_view::npos) {
    return mistake(
        "but must have no user in it: use forward.fluentd.username and "
        "forward.fluentd.password-file");
  }
  if (authority.empty() || authority.starts_with(':')) return mistake("but has no host");
  std::string whole(authority);
  if (!is_host_port(whole)) whole += fmt::format(":{}", kDefaultPort);
  if (!is_host_port(whole)) {
    return mistake(
        "but must have HOST or HOST:PORT in it, with an IPv6 address in brackets and a port from 1 "
        "to 65535");
  }
  const std::size_t colon = whole.rfind(':');
  url->host = whole.substr(0, colon);
  url->port = whole.substr(colon + 1);
  if (url->host.starts_with('[')) url->host = url->host.substr(1, url->host.size() - 2);
  return {};
}

std::string tag_of(std::string_view path) {
  std::string tag(path.substr(path.empty() ? 0 : 1));
  while (tag.ends_with('/')) tag.pop_back();
  std::ranges::replace(tag, '/', '.');
  return tag;
}

}  // namespace

std::string ForwardUrl::server() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}{}:{}", tls ? kTls : kPlain, is_v6 ? "[" : "", host, is_v6 ? "]" : "",
                     port);
}

bool is_forward_url(std::string_view url) {
  return url.starts_with(kPlain) || url.starts_with(kTls);
}

Result<ForwardUrl> parse_forward_url(std::string_view url) {
  SLUICE_CHECK(is_forward_url(url), "only a URL of the forward protocol is read as one");
  if (has_blank(url)) return mistake("but must have no spaces in it");
  if (url.find_first_of("?#") != std::string_view::npos) {
    return mistake("but must have no ? or #, which the forward protocol has no use for");
  }
  ForwardUrl parsed;
  parsed.tls = url.starts_with(kTls);
  url.remove_prefix(parsed.tls ? kTls.size() : kPlain.size());
  const std::size_t path = std::min(url.find('/'), url.size());
  SLUICE_TRY(read_authority(url.substr(0, path), &parsed));
  parsed.tag = tag_of(url.substr(path));
  if (parsed.tag.empty())
    return mistake("but has no tag: put one behind its host, as in /test.log");
  if (parsed.tag.starts_with('.')) return mistake("but its path begins with two slashes");
  return parsed;
}

}  // namespace sluice
