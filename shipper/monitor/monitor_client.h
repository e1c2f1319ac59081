// Asks the monitor_agent of one of Fluentd's processes, over HTTP with libcurl.
//
// Every question is bounded in time and bytes, goes through no proxy and follows no redirect. The
// connection is kept between questions. One thread.
#ifndef SLUICE_SHIPPER_MONITOR_MONITOR_CLIENT_H_
#define SLUICE_SHIPPER_MONITOR_MONITOR_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/error.h"
#include "shipper/monitor/plugins.h"

namespace sluice::shipper {

struct MonitorAnswer {
  std::vector<Plugin> plugins;
  std::optional<std::uint64_t> process_id;
};

class MonitorClient {
 public:
  static constexpr std::chrono::milliseconds kTimeout{5000};  // of one question

  // `url` without the path of the API; `ca` for one of https, empty: the system's.
  MonitorClient(std::string url, std::filesystem::path ca);
  ~MonitorClient();
  MonitorClient(MonitorClient&&) noexcept;
  MonitorClient& operator=(MonitorClient&&) = delete;

  const std::string& url() const { return url_; }

  // kUnavailable: it cannot be reached, or was replaced meanwhile. kRejected: it answers something
  // else. kStopped. Each with the URL in its sentence.
  Result<MonitorAnswer> ask(const std::stop_token& stop);

 private:
  struct Handle;
  Result<std::string> get(const char* path, const std::stop_token& stop);
  std::optional<std::uint64_t> process_id(const std::stop_token& stop);

  std::string url_;
  std::filesystem::path ca_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_MONITOR_MONITOR_CLIENT_H_
