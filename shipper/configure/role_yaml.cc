#include <fmt/format.h>

#include "shipper/configure/texts.h"

namespace sluice::shipper::configure {
namespace {

constexpr std::string_view kLockRule =
    R"(      # Locking of users who fail to log in too often (lock-enabled).
      - resources: [lock]
        verbs: [create, update]
)";

constexpr std::string_view kRole = R"(# For Teleport: tctl create -f role.yaml
#
# What sluice-fetcher may do: list audit events, by search or bulk export, and read session recordings.
kind: role
version: v4
metadata:
  name: "{role}"
spec:
  allow:
    rules:
      - resources: [event, session]
        verbs: [list, read]
{lock}---
# Whose identity it uses, unless tbot makes one (tbot.yaml).
kind: user
version: v2
metadata:
  name: "{role}"
spec:
  roles: ["{role}"]
---
# Give this role to whoever is to make that identity with "tctl auth sign" from another machine than
# the Auth service's own.
kind: role
version: v4
metadata:
  name: "{role}-impersonator"
spec:
  allow:
    impersonate:
      users: ["{role}"]
      roles: ["{role}"]
)";

}  // namespace

std::string role_yaml(const Plan& plan) {
  return fmt::format(kRole, fmt::arg("role", plan.role_name),
                     fmt::arg("lock", plan.lock_enabled ? kLockRule : ""));
}

}  // namespace sluice::shipper::configure
