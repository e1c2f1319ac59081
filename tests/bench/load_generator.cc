#include "tests/bench/load_generator.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/event_pool.h"

namespace sluice::bench {
namespace {

constexpr std::uint64_t kSeed = 14;
constexpr std::size_t kBodies = 8;
constexpr long kUploadBufferBytes = 256L << 10;
constexpr int kPollMs = 100;
// As the shipper opens connections.
constexpr double kApartSeconds = 0.15;
constexpr double kPatienceSeconds = 30;

// CURL and CURLM may be the same type.
struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t drop(const char* /*bytes*/, std::size_t size, std::size_t count, void* /*unused*/) {
  return size * count;
}

std::vector<std::string> make_bodies(std::size_t events) {
  EventPool pool(kEventBytes, kSeed);
  std::vector<std::string> bodies(kBodies);
  queue::Append append;
  for (std::string& body : bodies) {
    for (std::size_t i = 0; i < events; ++i) {
      body += (i == 0 ? "[" : ",") + pool.next_bodies(1);
      pool.fill(queue::Lane::kAudit, 1, &append);
    }
    body += "]";
  }
  return bodies;
}

class Generator {
 public:
  explicit Generator(const Load& load) : load_(load), bodies_(make_bodies(load.events)) {
    headers_.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
    curl_slist_append(headers_.get(), "Expect:");
    multi_.reset(curl_multi_init());
  }
  ~Generator() {
    for (const auto& handle : handles_) curl_multi_remove_handle(multi_.get(), handle.get());
  }
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  std::uint64_t accepted() const { return accepted_; }

  // Goes on until so many events are accepted, or so long.
  Result<void> run(std::uint64_t accepted_min, double seconds) {
    for (const Stopwatch watch; accepted_ < accepted_min && watch.seconds() < seconds;) {
      open_next();
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      SLUICE_TRY(take_answers());
      curl_multi_poll(multi_.get(), nullptr, 0, kPollMs, nullptr);
    }
    return {};
  }

 private:
  void open_next() {
    if (handles_.size() == load_.connections) return;
    if (since_opened_.seconds() < kApartSeconds && !handles_.empty()) return;
    since_opened_ = {};
    handles_.emplace_back(make_handle());
    send(handles_.back().get());
  }

  CURL* make_handle() const {
    CURL* handle = curl_easy_init();
    const std::string url = fmt::format("https://localhost:{}/events.log", load_.port);
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
    curl_easy_setopt(handle, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(handle, CURLOPT_CAINFO, (load_.certificates / "ca.crt").c_str());
    curl_easy_setopt(handle, CURLOPT_SSLCERT, (load_.certificates / "client.crt").c_str());
    curl_easy_setopt(handle, CURLOPT_SSLKEY, (load_.certificates / "client.key").c_str());
    return handle;
  }

  void send(CURL* handle) {
    const std::string& body = bodies_[next_];
    next_ = (next_ + 1) % bodies_.size();
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_multi_add_handle(multi_.get(), handle);
  }

  Result<void> take_answers() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* handle = message->easy_handle;
      const CURLcode code = message->data.result;
      long status = 0;
      curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
      if (code != CURLE_OK || status != 200) {
        return fail(ErrorKind::kUnavailable,
                    fmt::format("the sink answers {}: {}", status, curl_easy_strerror(code)));
      }
      accepted_ += load_.events;
      curl_multi_remove_handle(multi_.get(), handle);
      send(handle);
    }
    return {};
  }

  const Load load_;
  const std::vector<std::string> bodies_;
  std::size_t next_ = 0;
  std::uint64_t accepted_ = 0;
  Stopwatch since_opened_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  std::unique_ptr<CURLM, FreeMulti> multi_;
  std::vector<std::unique_ptr<CURL, FreeHandle>> handles_;
};

}  // namespace

Result<void> generate_load(const Load& load, const Setup& setup, const Window& window,
                           const Parent& parent) {
  Generator generator(load);
  SLUICE_TRY(generator.run(1, kPatienceSeconds));
  SLUICE_TRY(generator.run(UINT64_MAX, setup.amount(window.before_seconds, 0.05)));
  const std::uint64_t before = generator.accepted();
  const double processor_before = processor_seconds();
  const Stopwatch watch;
  SLUICE_TRY(generator.run(UINT64_MAX, setup.amount(window.seconds, 0.3)));
  const double seconds = watch.seconds();
  const auto events = static_cast<double>(generator.accepted() - before);
  const double processor = processor_seconds() - processor_before;
  parent.send(
      {{"rate", {events / seconds}}, {"processor", {1e6 * processor / std::max(events, 1.0)}}});
  return {};
}

}  // namespace sluice::bench
