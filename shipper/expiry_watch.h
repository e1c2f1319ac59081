// Warns before certificates end: 30 days, 7 days and a day before, and when they have ended, once
// each, in the log.
//
// A certificate that lives for less than twice such a time is renewed by a program, and is not
// warned of so early: one of less than two days only when a tenth of its life is left.
//
// Thread-safe.
#ifndef SLUICE_SHIPPER_EXPIRY_WATCH_H_
#define SLUICE_SHIPPER_EXPIRY_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "common/time.h"
#include "queue/sink_report.h"
#include "shipper/fluentd/certificate_times.h"

namespace sluice::shipper {

class ExpiryWatch {
 public:
  explicit ExpiryWatch(const Clock* clock, LogSink sink = log_entry)
      : clock_(clock), sink_(std::move(sink)) {}

  // The certificate that is in use now: `whose` in one word ("client"), `name` in a sentence ("the
  // client certificate /etc/…").
  void seen(const std::string& whose, const std::string& name,
            const fluentd::CertificateTimes& times);
  // Warns of those for which it is time.
  void look();

  std::vector<queue::SinkReport::Certificate> certificates() const;

 private:
  struct Watched {
    std::string name;
    fluentd::CertificateTimes times;
    // By the ends of certificates, since servers may take turns: how many of the times before that
    // have been told.
    std::map<std::int64_t, std::size_t> warned;
  };

  const Clock* clock_;
  const LogSink sink_;
  mutable std::mutex mutex_;
  std::map<std::string, Watched> watched_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_EXPIRY_WATCH_H_
