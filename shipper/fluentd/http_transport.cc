#include "shipper/fluentd/http_transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/check.h"
#include "common/time.h"
#include "shipper/fluentd/client_identity.h"
#include "shipper/fluentd/dial_pacer.h"
#include "shipper/fluentd/gzip.h"
#include "shipper/fluentd/http_request.h"
#include "shipper/fluentd/libcurl.h"
#include "shipper/fluentd/request_headers.h"

namespace sluice::shipper::fluentd {
namespace {

using std::chrono::milliseconds;

// Ours, in every request.
std::vector<std::string> own_header_lines(const HttpOptions& options) {
  std::vector<std::string> lines = {"Content-Type: " + std::string(options.content_type),
                                    "Expect:"};
  if (options.gzip) lines.emplace_back("Content-Encoding: gzip");
  return lines;
}

}  // namespace

struct HttpTransport::Impl {
  explicit Impl(const HttpOptions& http_options)
      : options(http_options),
        pacer(http_options.dial_interval),
        identity(http_options.tls),
        headers(own_header_lines(options), options.headers) {
    if (options.gzip) gzip.emplace();
  }
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> open();
  void add(HttpRequest* request);
  void retire(HttpRequest* request);
  void perform();
  void collect(std::vector<Answer>* answers);
  void resume_deferred(bool connection_is_free);
  milliseconds wait_max(milliseconds timeout) const;

  HttpOptions options;
  DialPacer pacer;
  ClientIdentity identity;
  CURLM* multi = nullptr;
  std::atomic<bool> woken = false;
  RequestHeaders headers;
  std::optional<Gzip> gzip;
  std::unordered_map<std::uint64_t, std::unique_ptr<HttpRequest>> requests;
  std::deque<HttpRequest*> deferred;  // wait until a connection is free or may be opened
};

HttpTransport::Impl::~Impl() {
  for (auto& [id, request] : requests) curl_multi_remove_handle(multi, request->handle());
  requests.clear();
  if (multi != nullptr) curl_multi_cleanup(multi);
}

Result<void> HttpTransport::Impl::open() {
  multi = curl_multi_init();
  if (multi == nullptr) return fail(ErrorKind::kInternal, "libcurl cannot make a multi handle");
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options.connections));
  return headers.open(system_clock().monotonic());
}

void HttpTransport::Impl::add(HttpRequest* request) {
  const CURLMcode code = curl_multi_add_handle(multi, request->handle());
  SLUICE_CHECK(code == CURLM_OK, "libcurl must accept a fresh handle");
}

void HttpTransport::Impl::retire(HttpRequest* request) {
  curl_multi_remove_handle(multi, request->handle());
}

void HttpTransport::Impl::perform() {
  int running = 0;
  const CURLMcode code = curl_multi_perform(multi, &running);
  SLUICE_CHECK(code == CURLM_OK, "libcurl's multi handle must stay usable");
}

// Takes what libcurl has finished. A request that found no connection due goes to `deferred`.
void HttpTransport::Impl::collect(std::vector<Answer>* answers) {
  int remaining = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &remaining)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    char* self = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &self);
    auto* request = reinterpret_cast<HttpRequest*>(self);
    retire(request);
    if (request->was_deferred(code)) {
      request->restart();
      deferred.push_back(request);
      continue;
    }
    answers->push_back(request->answer(code));
    requests.erase(request->id());
  }
}

void HttpTransport::Impl::resume_deferred(bool connection_is_free) {
  if (deferred.empty()) return;
  const bool due = pacer.wait(system_clock().monotonic()).count() == 0;
  if (!due && !connection_is_free) return;
  HttpRequest* request = deferred.front();
  deferred.pop_front();
  add(request);
}

milliseconds HttpTransport::Impl::wait_max(milliseconds timeout) const {
  if (deferred.empty()) return timeout;
  return std::min(timeout, pacer.wait(system_clock().monotonic()));
}

Result<std::unique_ptr<HttpTransport>> HttpTransport::create(const HttpOptions& options) {
  SLUICE_TRY(set_up_libcurl());
  auto impl = std::make_unique<Impl>(options);
  SLUICE_TRY(impl->open());
  return std::unique_ptr<HttpTransport>(new HttpTransport(std::move(impl)));
}

HttpTransport::HttpTransport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpTransport::~HttpTransport() = default;

void HttpTransport::start(std::uint64_t request_id, const std::string& url, std::string body) {
  if (impl_->gzip) body = impl_->gzip->pack(body);
  const HttpRequest::Shared shared{
      .options = &impl_->options, .pacer = &impl_->pacer, .identity = &impl_->identity};
  auto request = std::make_unique<HttpRequest>(
      request_id, url, std::move(body), impl_->headers.current(system_clock().monotonic()), shared);
  impl_->add(request.get());
  const auto [place, inserted] = impl_->requests.emplace(request_id, std::move(request));
  SLUICE_CHECK(inserted, "a request id must not be used twice at once");
}

std::vector<Answer> HttpTransport::poll(milliseconds timeout) {
  std::vector<Answer> answers;
  const auto deadline = system_clock().monotonic() + timeout;
  while (true) {
    impl_->resume_deferred(false);
    impl_->perform();
    impl_->collect(&answers);
    impl_->resume_deferred(!answers.empty());
    const auto left = std::max(milliseconds{0}, deadline - system_clock().monotonic());
    if (!answers.empty() || left.count() == 0 || impl_->woken.exchange(false)) return answers;
    // Returns early for libcurl's own timers and for wake(), hence the flag besides.
    curl_multi_poll(impl_->multi, nullptr, 0, static_cast<int>(impl_->wait_max(left).count()),
                    nullptr);
  }
}

void HttpTransport::wake() {
  impl_->woken = true;
  curl_multi_wakeup(impl_->multi);
}

void HttpTransport::cancel_all() {
  for (auto& [id, request] : impl_->requests) impl_->retire(request.get());
  impl_->requests.clear();
  impl_->deferred.clear();
}

}  // namespace sluice::shipper::fluentd
