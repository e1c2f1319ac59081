#include "shipper/fluentd/libcurl.h"

#include <curl/curl.h>

#include <csignal>
#include <mutex>
#include <string_view>

namespace sluice::shipper::fluentd {

Result<void> set_up_libcurl() {
  static std::once_flag once;
  static CURLcode code = CURLE_OK;
  std::call_once(once, [] {
    code = curl_global_init(CURL_GLOBAL_DEFAULT);
    std::signal(SIGPIPE, SIG_IGN);
  });
  if (code != CURLE_OK) return fail(ErrorKind::kInternal, "libcurl cannot be set up");
  const auto* version = curl_version_info(CURLVERSION_NOW);
  // It must be the library that our certificate is loaded with.
  const std::string_view tls = version->ssl_version == nullptr ? "" : version->ssl_version;
  if (!tls.starts_with("OpenSSL")) {
    return fail(ErrorKind::kInternal, "the installed libcurl was not built with OpenSSL");
  }
  return {};
}

}  // namespace sluice::shipper::fluentd
