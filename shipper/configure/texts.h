// The texts that `configure` makes beside the certificates, a document a file. Pure functions.
#ifndef SLUICE_SHIPPER_CONFIGURE_TEXTS_H_
#define SLUICE_SHIPPER_CONFIGURE_TEXTS_H_

#include <string>
#include <string_view>

#include "shipper/configure/plan.h"

namespace sluice::shipper::configure {

// Names of files in the set, that other files of it refer to.
inline constexpr std::string_view kAuthorityFile = "ca.crt";
inline constexpr std::string_view kServerFile = "server.crt";
inline constexpr std::string_view kServerKeyFile = "server.key";
inline constexpr std::string_view kClientFile = "client.crt";
inline constexpr std::string_view kClientKeyFile = "client.key";
inline constexpr std::string_view kIdentityFile = "identity";  // not made by us

// Where Fluentd's input takes audit events; and those of recordings, to which the shipper adds the
// session's name.
std::string audit_url(const Plan& plan);
std::string session_url(const Plan& plan);

// Fluentd's configuration: an input that takes what Sluice sends and outputs that keep it. It holds
// the passphrase of the server's key.
std::string fluent_conf(const Plan& plan);

// Teleport's objects for `tctl create`: a role with what the fetcher needs, its user, and a role
// for who makes that user's identity.
std::string role_yaml(const Plan& plan);

// A configuration of tbot, which keeps an identity with that role fresh.
std::string tbot_yaml(const Plan& plan);

// The configuration of both daemons; its paths are relative to its folder.
std::string sluice_toml(const Plan& plan);

// Values for a Helm chart that takes those of Teleport's teleport-plugin-event-handler.
std::string helm_values(const Plan& plan);

}  // namespace sluice::shipper::configure

#endif  // SLUICE_SHIPPER_CONFIGURE_TEXTS_H_
