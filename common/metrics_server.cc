#include "common/metrics_server.h"

#include <CivetServer.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "common/backoff.h"
#include "common/config.h"
#include "common/heartbeat.h"
#include "common/ip_port.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/owned_fd.h"
#include "common/time.h"

namespace sluice {
namespace {

constexpr const char* kThreads = "2";
constexpr const char* kRequestTimeoutMs = "10000";
constexpr std::chrono::milliseconds kKnockInterval{10};

// A connection that says nothing, and is not waited for.
void knock(const SocketAddress& address) {
  const OwnedFd socket(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size);
}

void answer(mg_connection* connection, int status, const char* type, const std::string& body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            status, status == 200 ? "OK" : "Service Unavailable", type, body.size());
  mg_write(connection, body.data(), body.size());
}

// A page that answers GET on exactly its path.
class Page : public CivetHandler {
 public:
  Page(std::string path, std::function<void(mg_connection*)> serve)
      : path_(std::move(path)), serve_(std::move(serve)) {}

  bool handleGet(CivetServer* /*server*/, mg_connection* connection) override {
    if (path_ != mg_get_request_info(connection)->local_uri) return false;  // 404
    serve_(connection);
    return true;
  }

 private:
  std::string path_;
  std::function<void(mg_connection*)> serve_;
};

void serve_why_not(mg_connection* connection, const std::string& why_not) {
  const bool is_good = why_not.empty();
  answer(connection, is_good ? 200 : 503, "text/plain; charset=utf-8",
         (is_good ? "ok" : why_not) + "\n");
}

std::string why_not_healthy() {
  const auto oldest = process_heartbeats().oldest();
  if (!oldest || oldest->age < kHealthyBeatAgeMax) return "";
  return fmt::format("{} has made no progress for {}", oldest->name, format_duration(oldest->age));
}

}  // namespace

struct MetricsServer::Impl {
  explicit Impl(MetricsServerOptions given) : options(std::move(given)) {}

  MetricsServerOptions options;
  Page metrics{"/metrics", [this](mg_connection* connection) {
                 MetricsPage page;
                 options.fill(&page);
                 answer(connection, 200, "text/plain; version=0.0.4; charset=utf-8", page.text());
               }};
  Page health{"/healthz",
              [](mg_connection* connection) { serve_why_not(connection, why_not_healthy()); }};
  Page readiness{"/readyz", [this](mg_connection* connection) {
                   serve_why_not(connection, options.why_not_ready());
                 }};
  std::optional<CivetServer> server;  // last: it uses all of the above
};

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

// civetweb looks whether it is to end when somebody connects, and otherwise every two seconds.
MetricsServer::~MetricsServer() {
  const std::string& given = impl_->options.address;
  const auto address =
      parse_ip_port(given.substr(0, given.rfind(':') + 1) + std::to_string(port()));
  const std::jthread knocking([&address](const std::stop_token& stop) {
    do knock(*address);
    while (sleep_for(stop, kKnockInterval));
  });
  impl_->server.reset();
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(MetricsServerOptions options) {
  if (!parse_ip_port(options.address)) {
    return fail(ErrorKind::kConfig,
                fmt::format("the address for metrics must be IP:PORT, such as 127.0.0.1:9464, or "
                            "none, but is \"{}\"",
                            options.address));
  }
  auto impl = std::make_unique<Impl>(std::move(options));
  try {
    impl->server.emplace(std::vector<std::string>{"listening_ports", impl->options.address,
                                                  "num_threads", kThreads, "request_timeout_ms",
                                                  kRequestTimeoutMs});
  } catch (const CivetException&) {
    return fail(ErrorKind::kUnavailable,
                fmt::format("cannot serve metrics on {}: look with `ss -ltnp` if another program "
                            "has this port, and set another one, or none",
                            impl->options.address));
  }
  impl->server->addHandler("/metrics", impl->metrics);
  impl->server->addHandler("/healthz", impl->health);
  impl->server->addHandler("/readyz", impl->readiness);
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(impl)));
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::start_if_possible(
    MetricsServerOptions options) {
  if (options.address == kNoAddress) return nullptr;
  auto started = start(std::move(options));
  if (started || started.error().kind == ErrorKind::kConfig) return started;
  log_message(message::kMetricsUnavailable, {}, "{}; everything else goes on",
              started.error().message);
  return nullptr;
}

std::uint16_t MetricsServer::port() const {
  return static_cast<std::uint16_t>(impl_->server->getListeningPorts().front());
}

}  // namespace sluice
