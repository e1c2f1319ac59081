#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "shipper/check/file_check.h"
#include "shipper/check/shipper_checks.h"
#include "shipper/expiry_watch.h"
#include "shipper/fluentd/client_certificate.h"
#include "shipper/fluentd/make_transport.h"

namespace sluice::shipper {
namespace {

constexpr const char* kCertificate = "certificate";
constexpr const char* kRenew = "have it renewed: it is taken up without a restart";

std::string ends(const fluentd::CertificateTimes& times, Timestamp now) {
  const auto left = std::chrono::seconds(times.not_after.seconds - now.seconds);
  return fmt::format("expires {} ({})", format_rfc3339(times.not_after),
                     format_duration(std::max(left, std::chrono::seconds(0))));
}

// What the shipper would warn of by now.
std::optional<std::string> end_is_near(const CheckContext& context, const std::string& name,
                                       const fluentd::CertificateTimes& times) {
  std::optional<std::string> said;
  ExpiryWatch watch(&context.clock, [&said](const LogEntry& entry) { said = entry.message; });
  watch.seen("one", name, times);
  watch.look();
  return said;
}

void look_at_authority(const CheckContext& context, Findings* findings) {
  const auto& ca = context.config.fluentd.ca;
  if (ca.empty()) {
    findings->push_back(
        found_ok(kCertificate, "no authority is set, so the system's are trusted for Fluentd's"));
    return;
  }
  if (!can_open(ca, context, kCertificate, findings)) return;
  const auto times = fluentd::times_of_certificate_in(ca);
  if (!times) {
    findings->push_back(failure(kCertificate, times.error()));
    return;
  }
  const Timestamp now = context.clock.now();
  const std::string text = fmt::format("authority {}: {}", ca.string(), ends(*times, now));
  if (times->not_after < now) {
    findings->push_back(failure(
        kCertificate,
        {ErrorKind::kUnauthorized, fmt::format("authority {}: it expired at {}, so Fluentd's "
                                               "certificate is not trusted",
                                               ca.string(), format_rfc3339(times->not_after))},
        "make a new one, and certificates by it for both sides"));
    return;
  }
  const bool is_near = end_is_near(context, ca.string(), *times).has_value();
  findings->push_back(is_near ? warning(kCertificate, text, kRenew) : found_ok(kCertificate, text));
}

void look_at_ours(const CheckContext& context, Findings* findings) {
  const FluentdConfig& config = context.config.fluentd;
  if (config.cert.empty()) {
    findings->push_back(
        found_ok(kCertificate, "none of ours is set: Fluentd must not ask for one"));
    return;
  }
  for (const auto* file : {&config.cert, &config.key, &config.key_passphrase_file}) {
    if (!file->empty() && !can_open(*file, context, kCertificate, findings)) return;
  }
  const fluentd::TlsFiles files = fluentd::tls_files(config);
  const Timestamp now = context.clock.now();
  if (const auto good = fluentd::check_client_certificate(files, now); !good) {
    const bool has_ended = good.error().kind == ErrorKind::kUnauthorized;
    findings->push_back(failure(kCertificate, good.error(), has_ended ? kRenew : ""));
    return;
  }
  const auto times = fluentd::times_of_certificate_in(config.cert);
  if (!times) {
    findings->push_back(failure(kCertificate, times.error()));
    return;
  }
  const std::string text = fmt::format("ours {}: {}", config.cert.string(), ends(*times, now));
  const bool is_near = end_is_near(context, config.cert.string(), *times).has_value();
  findings->push_back(is_near ? warning(kCertificate, text, kRenew) : found_ok(kCertificate, text));
  findings->push_back(with_readers(config.key, kCertificate,
                                   fmt::format("key {}: it belongs to that", config.key.string())));
}

}  // namespace

void check_certificates(const CheckContext& context, Findings* findings) {
  const bool has_tls = std::ranges::any_of(context.config.fluentd.urls, [](const std::string& url) {
    return url.starts_with("https://") || url.starts_with("forward+tls://");
  });
  if (!has_tls) {
    findings->push_back(found_ok(kCertificate, "not used, since events travel unencrypted"));
    return;
  }
  look_at_authority(context, findings);
  look_at_ours(context, findings);
}

}  // namespace sluice::shipper
