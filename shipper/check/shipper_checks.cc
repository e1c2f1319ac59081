#include "shipper/check/shipper_checks.h"

#include "queue/folder_checks.h"
#include "queue/instance.h"

namespace sluice::shipper {

SelfCheck shipper_checks() {
  return {
      .own_folder =
          [](const Config& config) { return queue::InstancePaths{config.queue_path}.delivery(); },
      .parts = {{"certificate",
                 {"fluentd-ca", "fluentd-cert", "fluentd-key", "fluentd-key-passphrase-file"},
                 check_certificates},
                {"secrets",
                 {"fluentd-shared-key-file", "fluentd-password-file", "headers"},
                 check_secrets},
                {"fluentd",
                 {"fluentd-url", "fluentd-session-url", "fluentd-ca", "fluentd-cert", "fluentd-key",
                  "fluentd-key-passphrase-file", "fluentd-shared-key-file", "fluentd-password-file",
                  "headers"},
                 check_sinks},
                {"monitor", {"monitor-url", "fluentd-ca"}, check_monitors},
                {"teleport",
                 {},
                 [](const CheckContext&, Findings* findings) {
                   findings->push_back(not_looked_at(
                       "teleport", "its address and the identity belong to the fetcher",
                       "sluice-fetcher check"));
                 }},
                {"folders",
                 {"queue-path"},
                 [](const CheckContext& context, Findings* findings) {
                   queue::check_folders(Program::kShipper, context, findings);
                 }},
                {"store", {"queue-path"}, [](const CheckContext& context, Findings* findings) {
                   queue::check_store(Program::kShipper, context, findings);
                 }}}};
}

}  // namespace sluice::shipper
