#include <fmt/format.h>

#include "shipper/configure/texts.h"

namespace sluice::shipper::configure {
namespace {

constexpr std::string_view kValues =
    R"(# Values in the form of Teleport's chart teleport-plugin-event-handler. The two secrets come from the
# files beside this one:
#   kubectl create secret generic {role}-identity --from-file=identity
#   kubectl create secret generic {role}-client-tls --from-file=ca.crt --from-file=client.crt --from-file=client.key
eventHandler:
  storagePath: "/var/lib/teleport/plugins/event-handler/storage"
  timeout: "5s"
  batch: 1000

teleport:
  address: "{addr}"
  identitySecretName: "{role}-identity"
  identitySecretPath: "{identity}"

# The name must be one that server.crt has (--dns-names), as the cluster resolves it.
fluentd:
  url: "{url}"
  sessionUrl: "{session_url}"
  certificate:
    secretName: "{role}-client-tls"
    caPath: "{ca}"
    certPath: "{cert}"
    keyPath: "{key}"

# Without it a pod that is replaced starts anew, and what it held is gone.
persistentVolumeClaim:
  enabled: true
  size: 20Gi
)";

}  // namespace

std::string helm_values(const Plan& plan) {
  return fmt::format(kValues, fmt::arg("role", plan.role_name),
                     fmt::arg("addr", plan.teleport_addr), fmt::arg("identity", kIdentityFile),
                     fmt::arg("url", audit_url(plan)), fmt::arg("session_url", session_url(plan)),
                     fmt::arg("ca", kAuthorityFile), fmt::arg("cert", kClientFile),
                     fmt::arg("key", kClientKeyFile));
}

}  // namespace sluice::shipper::configure
