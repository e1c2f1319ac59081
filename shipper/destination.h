// The URL to which a lane's events go, and so the tag that they get in Fluentd.
//
// Audit events go to the configured URL, a recording's events to SESSION-URL.SESSION-ID.log. Only
// letters, digits, '-' and '_' of a session id go into the URL, any other byte becomes '_': Fluentd
// takes the path as it is and decodes nothing, and '.', '/' or '?' would change the tag's parts.
// Session ids are UUIDs, so this is for damaged ones only. Value type; any thread.
#ifndef SLUICE_SHIPPER_DESTINATION_H_
#define SLUICE_SHIPPER_DESTINATION_H_

#include <string>
#include <string_view>
#include <utility>

#include "queue/types.h"

namespace sluice::shipper {

class Destination {
 public:
  Destination(queue::Lane lane, std::string url) : lane_(lane), url_(std::move(url)) {}

  std::string url_for(std::string_view route) const;
  // As configured: for messages about the sink as a whole.
  const std::string& base_url() const { return url_; }

 private:
  queue::Lane lane_;
  std::string url_;
};

// The URL of another path on the same server.
std::string with_path(std::string_view url, std::string_view path);

// Whether both URLs are of the same server: scheme, host and port.
bool is_same_server(std::string_view a, std::string_view b);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_DESTINATION_H_
