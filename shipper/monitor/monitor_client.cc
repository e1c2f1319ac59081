#include "shipper/monitor/monitor_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <utility>

#include "common/check.h"
#include "shipper/fluentd/failure.h"
#include "shipper/fluentd/libcurl.h"

namespace sluice::shipper {
namespace {

std::size_t take_bytes(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& answer = *static_cast<std::string*>(user);
  if (answer.size() + size * count > kMonitorAnswerBytesMax) return 0;
  answer.append(bytes, size * count);
  return size * count;
}

int ask_whether_to_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::stop_token*>(user)->stop_requested() ? 1 : 0;
}

}  // namespace

struct MonitorClient::Handle {
  Handle() : easy(curl_easy_init()) {
    SLUICE_CHECK(easy != nullptr, "libcurl must be able to make a handle");
  }
  ~Handle() { curl_easy_cleanup(easy); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  CURL* easy;
};

MonitorClient::MonitorClient(std::string url, std::filesystem::path ca)
    : url_(std::move(url)), ca_(std::move(ca)) {
  while (url_.ends_with('/')) url_.pop_back();
}

MonitorClient::~MonitorClient() = default;
MonitorClient::MonitorClient(MonitorClient&&) noexcept = default;

Result<std::string> MonitorClient::get(const char* path, const std::stop_token& stop) {
  SLUICE_TRY(fluentd::set_up_libcurl());
  if (!handle_) handle_ = std::make_unique<Handle>();
  CURL* const easy = handle_->easy;
  curl_easy_reset(easy);  // keeps the connection
  const std::string url = url_ + path;
  std::string answer;
  std::array<char, CURL_ERROR_SIZE> why{};
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!ca_.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(kTimeout.count()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take_bytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, static_cast<void*>(&answer));
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &ask_whether_to_stop);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, const_cast<void*>(static_cast<const void*>(&stop)));
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why.data());
  const CURLcode code = curl_easy_perform(easy);
  if (stop.stop_requested()) return fail(ErrorKind::kStopped, "asked to stop");
  if (code == CURLE_WRITE_ERROR) {
    return fail(ErrorKind::kRejected, fmt::format("{}: the answer is too long", url));
  }
  if (code != CURLE_OK) {
    long os_error = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    return fail(ErrorKind::kUnavailable,
                fluentd::failure_sentence({.code = static_cast<int>(code),
                                           .detail = why.data(),
                                           .os_error = static_cast<int>(os_error)},
                                          {.url = url, .ca = ca_.string(), .cert = {}}));
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) {
    return fail(ErrorKind::kRejected, fmt::format("{}: answered {}", url, status));
  }
  return answer;
}

std::optional<std::uint64_t> MonitorClient::process_id(const std::stop_token& stop) {
  const auto answer = get("/api/config.json", stop);
  return answer ? parse_process_id(*answer) : std::nullopt;
}

// The process is asked for before and after, so that the numbers are certainly its.
Result<MonitorAnswer> MonitorClient::ask(const std::stop_token& stop) {
  MonitorAnswer asked;
  asked.process_id = process_id(stop);
  SLUICE_ASSIGN(const std::string answer, get("/api/plugins.json", stop));
  auto plugins = parse_plugins(answer);
  if (!plugins) {
    return fail(plugins.error().kind, fmt::format("{}: {}", url_, plugins.error().message));
  }
  asked.plugins = std::move(*plugins);
  const auto process_afterwards = process_id(stop);
  if (stop.stop_requested()) return fail(ErrorKind::kStopped, "asked to stop");
  if (process_afterwards == asked.process_id) return asked;
  return fail(ErrorKind::kUnavailable, fmt::format("{}: it is being started anew", url_));
}

}  // namespace sluice::shipper
