// What a Teleport proxy says of itself to anybody: GET /webapi/find.
#ifndef SLUICE_FETCHER_TELEPORT_WEB_FIND_H_
#define SLUICE_FETCHER_TELEPORT_WEB_FIND_H_

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/time.h"
#include "fetcher/teleport/socket.h"

namespace sluice::fetcher {

struct ProxyFacts {
  std::string cluster;
  bool tls_routing = false;
  std::optional<Timestamp> time;  // that it had when it answered, in whole seconds
};

// From the answer's body, which are foreign bytes. kRejected: it is not such an answer.
Result<ProxyFacts> parse_proxy_facts(std::string_view json);

// Asks the proxy, trusting the CAs in `web_ca`, or the system's if it is empty; through the proxy
// of the environment, if one is named there. Errors are causes, for the caller's sentence.
Result<ProxyFacts> ask_proxy(const HostPort& proxy, const std::filesystem::path& web_ca,
                             const Deadline& deadline);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_WEB_FIND_H_
