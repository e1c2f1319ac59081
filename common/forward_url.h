// URLs of Fluentd's forward protocol: forward://HOST[:PORT]/TAG, and forward+tls:// with TLS.
//
// The path becomes the tag as in Fluentd's http input: its parts are joined with dots, nothing is
// decoded. Pure; any thread.
#ifndef SLUICE_COMMON_FORWARD_URL_H_
#define SLUICE_COMMON_FORWARD_URL_H_

#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice {

struct ForwardUrl {
  bool tls = false;
  std::string host;  // without the brackets of an IPv6 address
  std::string port;  // 24224 if none is given
  std::string tag;   // never empty

  // "forward://HOST:PORT", as sentences name the server.
  std::string server() const;
};

// By the scheme alone.
bool is_forward_url(std::string_view url);

// `url` must be one by its scheme. kConfig: the message is the end of a sentence that begins with
// the URL ("but has no host").
Result<ForwardUrl> parse_forward_url(std::string_view url);

}  // namespace sluice

#endif  // SLUICE_COMMON_FORWARD_URL_H_
