// The fetcher as a whole: opens the queue, connects to Teleport, and runs one ingest generation
// after the other until it is asked to stop.
//
// What cannot heal by waiting ends it at the start: an unusable identity file, and a queue that is
// in use, damaged, of a newer format, or of another cluster or machine. Everything else is waited
// out: Teleport that is not reachable or refuses us, and writes that fail.
#ifndef SLUICE_FETCHER_FETCHER_H_
#define SLUICE_FETCHER_FETCHER_H_

#include <memory>
#include <stop_token>
#include <string>

#include "common/config.h"
#include "common/error.h"
#include "common/metrics_server.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "fetcher/fetcher_metrics.h"
#include "fetcher/start_time.h"
#include "fetcher/teleport/client.h"
#include "queue/writer.h"

namespace sluice::fetcher {

class Fetcher {
 public:
  // `clock` must outlive it.
  Fetcher(Config config, const Clock& clock);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // Returns when asked to stop, or, with exit_on_last_event, when everything is in the queue. Tells
  // systemd how it is.
  Result<void> run(std::stop_token stop);

 private:
  Result<void> open_first(const std::stop_token& stop);
  Result<void> open_queue();
  Result<void> reopen_queue(const Error& cause, const std::stop_token& stop);
  Result<std::string> connect(const std::stop_token& stop);
  Result<bool> run_generation(const std::stop_token& stop);

  const Config config_;
  const Clock& clock_;
  FetcherMetrics metrics_{&config_};
  std::unique_ptr<TeleportClient> api_;
  std::unique_ptr<queue::Writer> writer_;
  std::string cluster_;  // empty until it has been asked for
  StartTime start_;
  RepeatedMessage reopening_;
  std::unique_ptr<MetricsServer> metrics_server_;  // last: its threads use the others
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_FETCHER_H_
