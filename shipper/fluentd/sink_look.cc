#include "shipper/fluentd/sink_look.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>

#include "common/forward_url.h"
#include "common/http_header.h"
#include "common/time.h"
#include "shipper/fluentd/failure.h"
#include "shipper/fluentd/forward_handshake.h"
#include "shipper/fluentd/forward_message.h"
#include "shipper/fluentd/libcurl.h"
#include "shipper/fluentd/make_transport.h"
#include "shipper/fluentd/stream.h"

namespace sluice::shipper::fluentd {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookMax{10'000};
// In which a server that refuses our certificate says so.
constexpr milliseconds kVerdictMax{1'000};
constexpr milliseconds kPollMax{50};
constexpr std::size_t kAnswerBytesMax = 16U << 10;

struct FreeText {
  void operator()(char* text) const { curl_free(text); }
};
struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// A server that is to be looked at.
struct Server {
  bool is_forward = false;
  bool tls = false;
  std::string host;  // without the brackets of an IPv6 address
  std::string port;
  std::string name;  // "https://host:port"
};

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, FreeText> owned(text);
  return text;
}

Result<Server> server_of(const std::string& url) {
  if (is_forward_url(url)) {
    auto parsed = parse_forward_url(url);
    if (!parsed)
      return fail(parsed.error().kind, fmt::format("{} {}", url, parsed.error().message));
    return Server{.is_forward = true,
                  .tls = parsed->tls,
                  .host = parsed->host,
                  .port = parsed->port,
                  .name = parsed->server()};
  }
  const std::unique_ptr<CURLU, FreeUrl> parts(curl_url());
  if (curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return fail(ErrorKind::kConfig, fmt::format("{} is no URL", url));
  }
  Server server{.is_forward = false,
                .tls = url.starts_with("https://"),
                .host = part_of(parts.get(), CURLUPART_HOST),
                .port = part_of(parts.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT),
                .name = ""};
  server.name = fmt::format("{}://{}:{}", server.tls ? "https" : "http", server.host, server.port);
  if (server.host.starts_with('[')) server.host = server.host.substr(1, server.host.size() - 2);
  return server;
}

class Look {
 public:
  Look(Server server, const Config& config, const std::stop_token& stop)
      : server_(std::move(server)),
        config_(config),
        stop_(stop),
        identity_(tls_files(config.fluentd)),
        wake_(std::make_shared<EventFd>()),
        stream_(server_.host, server_.port, server_.tls ? &identity_ : nullptr, wake_),
        begin_(system_clock().monotonic()) {
    seen_.server = server_.name;
  }

  Result<SinkLook> run() {
    SLUICE_TRY(connect());
    seen_.connected_after = now() - begin_;
    if (stream_.tls() != nullptr) seen_.tls = server_tls_of(stream_.tls());
    if (!server_.is_forward) {
      SLUICE_TRY(ask_for_root());
    } else if (!config_.fluentd.shared_key_file.empty()) {
      SLUICE_TRY(shake_hands());
    } else {
      SLUICE_TRY(listen());
    }
    return std::move(seen_);
  }

 private:
  static milliseconds now() { return system_clock().monotonic(); }

  std::unexpected<Error> failed(const StreamFailure& failure) const {
    const Failure known{
        .code = failure.code, .detail = failure.detail, .os_error = failure.os_error};
    ErrorKind kind = ErrorKind::kUnavailable;
    if (is_client_certificate_refusal(known)) kind = ErrorKind::kUnauthorized;
    if (failure.code == CURLE_SSL_CERTPROBLEM || failure.code == CURLE_SSL_CACERT_BADFILE) {
      kind = ErrorKind::kConfig;
    }
    return fail(kind, failure_sentence(known, {.url = server_.name,
                                               .ca = config_.fluentd.ca.string(),
                                               .cert = config_.fluentd.cert.string()}));
  }
  std::unexpected<Error> failed(ErrorKind kind, std::string_view cause) const {
    return fail(kind, fmt::format("{}: {}", server_.name, cause));
  }
  std::unexpected<Error> timed_out(const char* what) const {
    return failed({.code = CURLE_OPERATION_TIMEDOUT, .detail = what, .os_error = 0});
  }

  // Until the socket has something, or for a moment.
  Result<void> wait() {
    std::array<pollfd, 2> entries = {
        {{.fd = wake_->get(), .events = POLLIN, .revents = 0},
         {.fd = stream_.fd(), .events = stream_.events(), .revents = 0}}};
    ::poll(entries.data(), entries.size(), static_cast<int>(kPollMax.count()));
    wake_->clear();
    if (stop_.stop_requested()) return fail(ErrorKind::kStopped, "asked to stop");
    return {};
  }

  bool is_over() const { return now() - begin_ > kLookMax; }

  Result<void> connect() {
    while (true) {
      const auto is_open = stream_.connect(now());
      if (!is_open) return failed(is_open.error());
      if (*is_open) return {};
      if (is_over()) return timed_out(stream_.waits_for());
      SLUICE_TRY(wait());
    }
  }

  Result<void> send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = stream_.write(bytes);
      if (!sent) return failed(sent.error());
      bytes.remove_prefix(*sent);
      if (is_over()) return timed_out("");
      if (!bytes.empty()) SLUICE_TRY(wait());
    }
    return {};
  }

  // What has come by now goes behind `received_`.
  Result<void> receive() {
    std::array<char, 4096> bytes{};
    const auto count = stream_.read(bytes);
    if (!count) return failed(count.error());
    received_.append(bytes.data(), *count);
    if (*count == 0) return wait();
    return {};
  }

  Result<void> ask_for_root() {
    const bool is_address = server_.host.find(':') != std::string::npos;
    std::string request =
        fmt::format("GET / HTTP/1.1\r\nHost: {}{}{}:{}\r\nUser-Agent: sluice-shipper check\r\n",
                    is_address ? "[" : "", server_.host, is_address ? "]" : "", server_.port);
    for (const HttpHeader& header : config_.shipper.headers) {
      SLUICE_ASSIGN(const std::string line, header_line(header));
      request += line + "\r\n";
    }
    SLUICE_TRY(send(request + "Connection: close\r\n\r\n"));
    while (received_.find("\r\n") == std::string::npos) {
      if (received_.size() > kAnswerBytesMax) break;
      if (is_over()) return timed_out("");
      SLUICE_TRY(receive());
    }
    // HTTP/1.1 200 OK
    constexpr std::size_t kStatusAt = 9;
    int status = 0;
    const bool is_http = received_.starts_with("HTTP/1.") && received_.size() > kStatusAt + 3;
    if (is_http) {
      const char* const digits = received_.data() + kStatusAt;
      std::from_chars(digits, digits + 3, status);
    }
    if (status < 100) return failed(ErrorKind::kUnavailable, "what answers there is not HTTP");
    seen_.http_status = status;
    return {};
  }

  Result<ServerMessage> next_message() {
    while (true) {
      auto message = take_server_message(&received_);
      if (!message) return failed(ErrorKind::kUnavailable, message.error().message);
      if (*message) return std::move(**message);
      if (is_over()) {
        return failed(ErrorKind::kUnavailable,
                      "it says nothing to a client with a shared key: it has no <security>, or is "
                      "no forward input");
      }
      SLUICE_TRY(receive());
    }
  }

  Result<void> shake_hands() {
    const FluentdConfig& fluentd = config_.fluentd;
    SLUICE_ASSIGN(auto handshake,
                  ForwardHandshake::begin({.shared_key_file = fluentd.shared_key_file,
                                           .username = fluentd.username,
                                           .password_file = fluentd.password_file}));
    SLUICE_ASSIGN(const ServerMessage first, next_message());
    const auto* helo = std::get_if<Helo>(&first);
    if (helo == nullptr) return failed(ErrorKind::kUnavailable, "it does not begin with a HELO");
    SLUICE_TRY(send(ping_message(handshake.ping(*helo))));
    SLUICE_ASSIGN(const ServerMessage second, next_message());
    const auto* pong = std::get_if<Pong>(&second);
    if (pong == nullptr) return failed(ErrorKind::kUnavailable, "it answers no PING");
    if (const auto accepted = handshake.check(*pong); !accepted) {
      return failed(accepted.error().kind, accepted.error().message);
    }
    seen_.shook_hands = true;
    return {};
  }

  // A forward input without a shared key waits for us; one with a key speaks first.
  Result<void> listen() {
    const auto until = now() + kVerdictMax;
    while (now() < until) {
      SLUICE_TRY(receive());
      if (received_.empty()) continue;
      return failed(ErrorKind::kUnauthorized,
                    "the server asks for a shared key, and none is configured: set "
                    "forward.fluentd.shared-key-file to a file with the shared_key of its "
                    "<security>");
    }
    return {};
  }

  const Server server_;
  const Config& config_;
  const std::stop_token& stop_;
  ClientIdentity identity_;
  std::shared_ptr<EventFd> wake_;
  Stream stream_;
  const milliseconds begin_;
  std::string received_;
  SinkLook seen_;
};

}  // namespace

Result<SinkLook> look_at_sink(const std::string& url, const Config& config,
                              const std::stop_token& stop) {
  SLUICE_TRY(set_up_libcurl());
  SLUICE_ASSIGN(Server server, server_of(url));
  return Look(std::move(server), config, stop).run();
}

}  // namespace sluice::shipper::fluentd
