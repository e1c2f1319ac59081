#include <fmt/format.h>

#include "shipper/configure/texts.h"

namespace sluice::shipper::configure {
namespace {

constexpr std::string_view kTbot =
    R"(# For tbot 14 or later, which keeps an identity fresh: tbot start -c tbot.yaml --token=TOKEN
#
# After role.yaml, this makes the bot and prints TOKEN, which is good for the first start:
#   tctl bots add {role} --roles={role}
# tbot has to run where sluice-fetcher does. sluice.toml then says
#   identity = "/var/lib/teleport-bot/{role}/identity"
version: v2
{server}: "{addr}"
onboarding:
  join_method: token
storage:
  type: directory
  path: /var/lib/teleport-bot/{role}-state
outputs:
  - type: identity
    roles: ["{role}"]
    destination:
      type: directory
      path: /var/lib/teleport-bot/{role}
)";

}  // namespace

std::string tbot_yaml(const Plan& plan) {
  return fmt::format(kTbot, fmt::arg("role", plan.role_name), fmt::arg("addr", plan.teleport_addr),
                     fmt::arg("server", plan.teleport_is_auth ? "auth_server" : "proxy_server"));
}

}  // namespace sluice::shipper::configure
