// One POST: a libcurl easy handle with its body, and what has been received for it.
//
// Used by HttpTransport only. One thread. A handle is made anew for each request, because libcurl
// never resets its count of hidden retries on one; connections live in the multi handle.
#ifndef SLUICE_SHIPPER_FLUENTD_HTTP_REQUEST_H_
#define SLUICE_SHIPPER_FLUENTD_HTTP_REQUEST_H_

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/error.h"
#include "shipper/fluentd/client_identity.h"
#include "shipper/fluentd/dial_pacer.h"
#include "shipper/fluentd/http_transport.h"
#include "shipper/fluentd/request_headers.h"
#include "shipper/fluentd/transport.h"

namespace sluice::shipper::fluentd {

class HttpRequest {
 public:
  // What all requests of a transport share. Must outlive them.
  struct Shared {
    const HttpOptions* options = nullptr;
    DialPacer* pacer = nullptr;
    ClientIdentity* identity = nullptr;
  };
  // The body and the headers are kept here.
  HttpRequest(std::uint64_t id, std::string url, std::string body, RequestHeaders::List headers,
              const Shared& shared);
  ~HttpRequest();
  HttpRequest(const HttpRequest&) = delete;
  HttpRequest& operator=(const HttpRequest&) = delete;

  CURL* handle() const { return easy_; }
  std::uint64_t id() const { return id_; }

  // Whether it ended only because a new connection was not due yet. It has then sent nothing and
  // may be given to libcurl again after restart().
  bool was_deferred(CURLcode code) const;
  void restart();

  // What came of it, after libcurl has said that it is finished.
  Answer answer(CURLcode code);

 private:
  enum class Dial { kUndecided, kAllowed, kRefused };

  std::chrono::milliseconds round_trip() const;
  void set_options();
  void set_tls();
  void tell_of_connection() const;

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static CURLcode on_tls_context(CURL* easy, void* context, void* self);
  static int on_before_request(void* self, char* ip, char* local_ip, int port, int local_port);

  CURL* easy_;
  std::uint64_t id_;
  std::string url_;
  std::string body_;
  RequestHeaders::List headers_;
  const HttpOptions& options_;
  DialPacer* pacer_;
  ClientIdentity* identity_;
  std::optional<Error> own_error_;  // why our certificate cannot be used
  Dial dial_ = Dial::kUndecided;
  std::uint32_t times_sent_ = 0;  // on how many connections libcurl has begun to send it
  std::string received_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_HTTP_REQUEST_H_
