#include <fmt/format.h>

#include "shipper/configure/texts.h"

namespace sluice::shipper::configure {
namespace {

std::string url(const Plan& plan, std::string_view path) {
  return fmt::format("{}://{}:{}/{}", plan.forward ? "forward+tls" : "https", plan.fluentd_host,
                     plan.port, path);
}

}  // namespace

std::string audit_url(const Plan& plan) { return url(plan, "events.log"); }

// Not session.log, as in upstream's Helm values: the tag session.log.ID.log would match nothing.
std::string session_url(const Plan& plan) { return url(plan, "session"); }

}  // namespace sluice::shipper::configure
