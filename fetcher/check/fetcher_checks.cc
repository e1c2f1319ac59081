#include "fetcher/check/fetcher_checks.h"

#include "queue/folder_checks.h"
#include "queue/instance.h"

namespace sluice::fetcher {

SelfCheck fetcher_checks() {
  return {
      .own_folder =
          [](const Config& config) { return queue::InstancePaths{config.queue_path}.queue(); },
      .parts = {{"identity",
                 {"teleport-identity", "teleport-ca", "teleport-cert", "teleport-key"},
                 check_identity},
                {"route",
                 {"teleport-addr", "teleport-mode", "teleport-web-ca", "teleport-identity",
                  "teleport-ca", "teleport-cert", "teleport-key"},
                 check_teleport},
                {"takeover", {"storage", "teleport-addr"}, check_takeover},
                {"fluentd",
                 {},
                 [](const CheckContext&, Findings* findings) {
                   findings->push_back(not_looked_at(
                       "fluentd", "its addresses, certificates and secrets belong to the shipper",
                       "sluice-shipper check"));
                 }},
                {"folders",
                 {"queue-path"},
                 [](const CheckContext& context, Findings* findings) {
                   queue::check_folders(Program::kFetcher, context, findings);
                 }},
                {"store",
                 {"queue-path"},
                 [](const CheckContext& context, Findings* findings) {
                   queue::check_store(Program::kFetcher, context, findings);
                 }},
                {"disk", {"queue-path", "max-size", "min-free-disk"}, queue::check_disk},
                {"clock", {"teleport-addr", "teleport-mode", "teleport-web-ca"}, check_clock}}};
}

}  // namespace sluice::fetcher
