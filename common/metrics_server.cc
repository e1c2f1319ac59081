#include "common/metrics_server.h"

#include <CivetServer.h>
#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "common/heartbeat.h"
#include "common/log.h"
#include "common/time.h"

namespace sluice {
namespace {

constexpr const char* kThreads = "2";
constexpr const char* kRequestTimeoutMs = "10000";

// civetweb takes some addresses for others that are none.
bool is_ip_port(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  std::uint16_t port = 0;
  const char* const end = address.data() + address.size();
  const auto number = std::from_chars(address.data() + colon + 1, end, port);
  if (number.ec != std::errc() || number.ptr != end) return false;
  const std::string host = address.substr(0, colon);
  in6_addr parsed{};
  if (host.starts_with('[') && host.ends_with(']')) {
    return ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &parsed) == 1;
  }
  return ::inet_pton(AF_INET, host.c_str(), &parsed) == 1;
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

MetricsServer::~MetricsServer() = default;

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(MetricsServerOptions options) {
  if (!is_ip_port(options.address)) {
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
  if (options.address == "none") return nullptr;
  auto started = start(std::move(options));
  if (started || started.error().kind == ErrorKind::kConfig) return started;
  log_error("{}; everything else goes on", started.error().message);
  return nullptr;
}

std::uint16_t MetricsServer::port() const {
  return static_cast<std::uint16_t>(impl_->server->getListeningPorts().front());
}

}  // namespace sluice
