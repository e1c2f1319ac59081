// Serves a daemon's metrics and health over HTTP, for Prometheus and for whoever supervises it.
//
//   /metrics   the page, in Prometheus' text format
//   /healthz   200 while the loops of the process make progress, else 503 and which does not
//   /readyz    200 while it does its work, else 503 and why not
//
// It has threads of its own, and calls the given functions on them, several at once. There is
// neither TLS nor a password: it is for the machine itself, or for a network that is guarded.
#ifndef SLUICE_COMMON_METRICS_SERVER_H_
#define SLUICE_COMMON_METRICS_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/error.h"
#include "common/metrics_page.h"

namespace sluice {

struct MetricsServerOptions {
  std::string address;  // IP:PORT; port 0: any that is free
  std::function<void(MetricsPage*)> fill;
  std::function<std::string()> why_not_ready;  // empty: ready
};

class MetricsServer {
 public:
  // kConfig: it is no IP:PORT. kUnavailable: the port cannot be had.
  static Result<std::unique_ptr<MetricsServer>> start(MetricsServerOptions options);
  // For a daemon, whose work does not stop for it: nullptr if it is kNoAddress or, with a line in
  // the log, the port cannot be had. kConfig as above.
  static Result<std::unique_ptr<MetricsServer>> start_if_possible(MetricsServerOptions options);
  ~MetricsServer();

  std::uint16_t port() const;

 private:
  struct Impl;
  explicit MetricsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// How old the last heartbeat of a loop may be for /healthz.
inline constexpr std::chrono::seconds kHealthyBeatAgeMax{60};

}  // namespace sluice

#endif  // SLUICE_COMMON_METRICS_SERVER_H_
