// The header lines of all requests: our own, and those that are configured, with the values that
// are in files as they are now.
//
// The files are read again once a second, when there are requests. One that cannot be read then is
// told, and its last value goes on being sent, so that no moment of its replacement counts. No
// value is ever logged. One thread.
#ifndef SLUICE_SHIPPER_FLUENTD_REQUEST_HEADERS_H_
#define SLUICE_SHIPPER_FLUENTD_REQUEST_HEADERS_H_

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/http_header.h"
#include "common/repeated_message.h"

namespace sluice::shipper::fluentd {

class RequestHeaders {
 public:
  // Whoever sends with them keeps them until the request is finished.
  using List = std::shared_ptr<curl_slist>;

  RequestHeaders(std::vector<std::string> own_lines, std::vector<HttpHeader> configured);

  // Reads the files for the first time. Errors as header_line().
  Result<void> open(std::chrono::milliseconds now);
  List current(std::chrono::milliseconds now);

 private:
  Result<List> read() const;

  const std::vector<std::string> own_lines_;
  const std::vector<HttpHeader> configured_;
  const bool has_files_;
  RepeatedMessage reading_;
  std::chrono::milliseconds read_at_{0};
  List list_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_REQUEST_HEADERS_H_
