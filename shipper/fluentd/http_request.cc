#include "shipper/fluentd/http_request.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "common/check.h"
#include "common/time.h"
#include "shipper/fluentd/failure.h"

namespace sluice::shipper::fluentd {
namespace {

// Below Fluentd's keepalive_timeout of 10 s.
constexpr long kIdleConnectionSecondsMax = 8;
// How much libcurl hands to the kernel, or to TLS, at a time.
constexpr long kUploadBufferBytes = 256 << 10;
// So that what is renewed is taken up by connections that are never idle, too.
constexpr long kConnectionSecondsMax = 600;
// libcurl keeps the system's authorities, which are many, this long.
constexpr long kAuthoritiesCacheSeconds = 60;
// More than anybody waits for, and far from what milliseconds can count.
constexpr curl_off_t kRetryAfterSecondsMax = 86'400;

template <typename T>
void set(CURL* easy, CURLoption option, T value) {
  const CURLcode code = curl_easy_setopt(easy, option, value);
  SLUICE_CHECK(code == CURLE_OK, "libcurl must know the options that it was built with");
}

}  // namespace

HttpRequest::HttpRequest(std::uint64_t id, std::string url, std::string body,
                         RequestHeaders::List headers, const Shared& shared)
    : easy_(curl_easy_init()),
      id_(id),
      url_(std::move(url)),
      body_(std::move(body)),
      headers_(std::move(headers)),
      options_(*shared.options),
      pacer_(shared.pacer),
      identity_(shared.identity) {
  SLUICE_CHECK(easy_ != nullptr, "libcurl must be able to make a handle");
  set_options();
  set_tls();
}

HttpRequest::~HttpRequest() { curl_easy_cleanup(easy_); }

void HttpRequest::set_options() {
  set(easy_, CURLOPT_PRIVATE, static_cast<void*>(this));
  set(easy_, CURLOPT_URL, url_.c_str());
  set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy_, CURLOPT_PROXY, "");
  set(easy_, CURLOPT_NOSIGNAL, 1L);
  // The end of a request must not wait for a name server: libcurl leaves its thread behind.
  set(easy_, CURLOPT_QUICK_EXIT, 1L);
  set(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy_, CURLOPT_HTTPHEADER, headers_.get());
  set(easy_, CURLOPT_POST, 1L);
  set(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_.size()));
  set(easy_, CURLOPT_POSTFIELDS, body_.c_str());
  set(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.request_timeout.count()));
  set(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(easy_, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
  set(easy_, CURLOPT_MAXAGE_CONN, kIdleConnectionSecondsMax);
  set(easy_, CURLOPT_MAXLIFETIME_CONN, kConnectionSecondsMax);
  set(easy_, CURLOPT_ERRORBUFFER, error_text_.data());
  set(easy_, CURLOPT_WRITEFUNCTION, &HttpRequest::on_body);
  set(easy_, CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(easy_, CURLOPT_OPENSOCKETFUNCTION, &HttpRequest::on_open_socket);
  set(easy_, CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  set(easy_, CURLOPT_PREREQFUNCTION, &HttpRequest::on_before_request);
  set(easy_, CURLOPT_PREREQDATA, static_cast<void*>(this));
}

void HttpRequest::set_tls() {
  set(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy_, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  set(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy_, CURLOPT_CA_CACHE_TIMEOUT, options_.tls.ca.empty() ? kAuthoritiesCacheSeconds : 0L);
  if (!options_.tls.ca.empty()) {
    set(easy_, CURLOPT_CAINFO, options_.tls.ca.c_str());
    // The system's authorities must not be trusted besides.
    set(easy_, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  // Ours is given to OpenSSL directly: libcurl would keep the passphrase of the key.
  set(easy_, CURLOPT_SSL_CTX_FUNCTION, &HttpRequest::on_tls_context);
  set(easy_, CURLOPT_SSL_CTX_DATA, static_cast<void*>(this));
}

bool HttpRequest::was_deferred(CURLcode code) const {
  return code == CURLE_COULDNT_CONNECT && dial_ == Dial::kRefused && times_sent_ == 0;
}

void HttpRequest::restart() {
  own_error_.reset();
  dial_ = Dial::kUndecided;
  received_.clear();
  error_text_.fill('\0');
}

Answer HttpRequest::answer(CURLcode code) {
  Answer answer;
  answer.request_id = id_;
  answer.hidden_resends = times_sent_ > 1 ? times_sent_ - 1 : 0;
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  // Once the status line is there, the sink has decided, even if the connection breaks in the
  // answer's body: Fluentd resets the connection together with its 413.
  if (status >= 200) {
    answer.status = static_cast<int>(status);
    answer.round_trip = round_trip();
    answer.body = std::move(received_);
    curl_off_t seconds = 0;
    curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds > 0)
      answer.retry_after = std::chrono::seconds(std::min(seconds, kRetryAfterSecondsMax));
    return answer;
  }
  long os_error = 0;
  curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &os_error);
  const Failure failure{.code = static_cast<int>(code == CURLE_OK ? CURLE_GOT_NOTHING : code),
                        .detail = error_text_.data(),
                        .os_error = static_cast<int>(os_error)};
  answer.outcome_unknown = times_sent_ > 0 && !is_client_certificate_refusal(failure);
  answer.failure = NetworkFailure{
      .code = failure.code,
      .kind = is_client_certificate_refusal(failure) ? ErrorKind::kUnauthorized
                                                     : ErrorKind::kUnavailable,
      .sentence = own_error_
                      ? own_error_->message
                      : failure_sentence(failure, {url_, options_.tls.ca, options_.tls.cert}),
      .time_limit = code == CURLE_OPERATION_TIMEDOUT && times_sent_ > 0};
  return answer;
}

// Without the time until a connection was there.
std::chrono::milliseconds HttpRequest::round_trip() const {
  curl_off_t until_sending_us = 0;
  curl_off_t total_us = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &until_sending_us);
  curl_easy_getinfo(easy_, CURLINFO_TOTAL_TIME_T, &total_us);
  const auto took = std::chrono::microseconds(std::max<curl_off_t>(total_us - until_sending_us, 0));
  return std::chrono::ceil<std::chrono::milliseconds>(took);
}

std::size_t HttpRequest::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto* request = static_cast<HttpRequest*>(self);
  const std::size_t bytes = size * count;
  const std::size_t room = kAnswerBodyBytesMax - request->received_.size();
  request->received_.append(data, std::min(bytes, room));
  return bytes;
}

curl_socket_t HttpRequest::on_open_socket(void* self, curlsocktype /*purpose*/,
                                          curl_sockaddr* address) {
  auto* request = static_cast<HttpRequest*>(self);
  // A request that has been sent already is being sent again by libcurl itself, and must not be
  // taken for one that was never sent. The other addresses of a host that was allowed are part of
  // the same attempt.
  if (request->times_sent_ == 0 && request->dial_ == Dial::kUndecided) {
    const bool due = request->pacer_->try_dial(system_clock().monotonic());
    request->dial_ = due ? Dial::kAllowed : Dial::kRefused;
  }
  if (request->times_sent_ == 0 && request->dial_ == Dial::kRefused) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// For each new TLS connection, before the handshake.
CURLcode HttpRequest::on_tls_context(CURL* /*easy*/, void* context, void* self) {
  auto* request = static_cast<HttpRequest*>(self);
  auto used = request->identity_->use(static_cast<SSL_CTX*>(context));
  if (used) return CURLE_OK;
  request->own_error_ = used.error();
  return CURLE_SSL_CERTPROBLEM;
}

void HttpRequest::tell_of_connection() const {
  long fresh = 0;
  const curl_tlssessioninfo* tls = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &fresh);
  curl_easy_getinfo(easy_, CURLINFO_TLS_SSL_PTR, &tls);
  if (fresh == 0 || tls == nullptr || tls->internals == nullptr) return;
  options_.on_connected(server_tls_of(static_cast<const ssl_st*>(tls->internals)));
}

int HttpRequest::on_before_request(void* self, char* /*ip*/, char* /*local_ip*/, int /*port*/,
                                   int /*local_port*/) {
  auto* request = static_cast<HttpRequest*>(self);
  ++request->times_sent_;
  if (request->options_.on_connected) request->tell_of_connection();
  return CURL_PREREQFUNC_OK;
}

}  // namespace sluice::shipper::fluentd
