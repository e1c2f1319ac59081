#include "fetcher/teleport/web_find.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>

#include "fetcher/teleport/dial.h"

namespace sluice::fetcher {
namespace {

constexpr std::size_t kAnswerBytesMax = 1U << 20;

struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

std::size_t take_bytes(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& answer = *static_cast<std::string*>(user);
  if (answer.size() + size * count > kAnswerBytesMax) return 0;
  answer.append(bytes, size * count);
  return size * count;
}

// What the answer's Date says.
std::optional<Timestamp> date_of(CURL* handle) {
  curl_header* header = nullptr;
  if (curl_easy_header(handle, "Date", 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
    return std::nullopt;
  }
  const std::time_t seconds = curl_getdate(header->value, nullptr);
  if (seconds < 0) return std::nullopt;
  return Timestamp{.seconds = seconds, .nanos = 0};
}

int ask_whether_to_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const Deadline*>(user)->stop.stop_requested() ? 1 : 0;
}

}  // namespace

Result<ProxyFacts> parse_proxy_facts(std::string_view json) {
  const auto refuse = [](std::string_view why) {
    return fail(ErrorKind::kRejected,
                fmt::format("its answer to /webapi/find is not a Teleport proxy's: {}", why));
  };
  if (json.size() > kAnswerBytesMax) return refuse("it is too long");
  simdjson::dom::parser parser;
  simdjson::dom::element answer;
  if (parser.parse(json.data(), json.size()).get(answer) != simdjson::SUCCESS) {
    return refuse("it is no JSON");
  }
  ProxyFacts facts;
  std::string_view cluster;
  if (answer["cluster_name"].get(cluster) != simdjson::SUCCESS || cluster.empty() ||
      cluster.size() > kClusterBytesMax) {
    return refuse("it names no cluster");
  }
  facts.cluster = cluster;
  // Absent from proxies of long ago, which had no TLS routing.
  if (answer["proxy"]["tls_routing_enabled"].get(facts.tls_routing) != simdjson::SUCCESS) {
    facts.tls_routing = false;
  }
  return facts;
}

Result<ProxyFacts> ask_proxy(const HostPort& proxy, const std::filesystem::path& web_ca,
                             const Deadline& deadline) {
  const std::unique_ptr<CURL, FreeHandle> handle(curl_easy_init());
  if (!handle) return fail(ErrorKind::kInternal, "libcurl cannot be used");
  const std::string url = fmt::format("https://{}/webapi/find", proxy.to_string());
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline.at - std::chrono::steady_clock::now());
  std::string answer;
  char why[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(left.count())));
  curl_easy_setopt(handle.get(), CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!web_ca.empty()) curl_easy_setopt(handle.get(), CURLOPT_CAINFO, web_ca.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &take_bytes);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(handle.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle.get(), CURLOPT_XFERINFOFUNCTION, &ask_whether_to_stop);
  curl_easy_setopt(handle.get(), CURLOPT_XFERINFODATA, &deadline);
  const CURLcode code = curl_easy_perform(handle.get());
  if (deadline.stop.stop_requested()) return fail(ErrorKind::kStopped, "asked to stop");
  if (code != CURLE_OK) {
    return fail(ErrorKind::kUnavailable, *why != '\0' ? why : curl_easy_strerror(code));
  }
  SLUICE_ASSIGN(ProxyFacts facts, parse_proxy_facts(answer));
  facts.time = date_of(handle.get());
  return facts;
}

}  // namespace sluice::fetcher
