#include <fmt/format.h>

#include <array>
#include <chrono>
#include <string>

#include "common/credential.h"
#include "common/file_access.h"
#include "common/files.h"
#include "fetcher/check/fetcher_checks.h"
#include "fetcher/teleport/identity.h"

namespace sluice::fetcher {
namespace {

constexpr const char* kIdentity = "identity";
constexpr const char* kRenew = "look at tbot, or renew it with tctl auth sign";

// The file that holds the key.
const std::filesystem::path& key_file(const TeleportConfig& config) {
  return config.identity.empty() ? config.key : config.identity;
}

// Whether the files can be opened at all; says why they cannot.
bool can_open(const CheckContext& context, Findings* findings) {
  const TeleportConfig& teleport = context.config.teleport;
  bool all = true;
  for (const auto* path : {&teleport.identity, &teleport.ca, &teleport.cert, &teleport.key}) {
    if (path->empty()) continue;
    if (const auto given = check_credential_given(*path); !given) {
      findings->push_back(not_looked_at(
          kIdentity, fmt::format("{} is a credential, which systemd gives to the unit alone",
                                 path->string())));
      all = false;
      continue;
    }
    if (const auto readable = check_readable(*path); !readable) {
      findings->push_back(cannot_open(context, kIdentity, readable.error()));
      all = false;
    }
  }
  return all;
}

std::string describe(const Identity& identity, Timestamp now, const std::string& readers) {
  const auto left = std::chrono::seconds(identity.not_after.seconds - now.seconds);
  std::string text = fmt::format("{}: {}, {}, expires {} ({})", identity.name,
                                 identity.user.empty() ? "no user's name" : identity.user,
                                 identity.cluster.empty() ? "no cluster's name" : identity.cluster,
                                 format_rfc3339(identity.not_after),
                                 format_duration(std::max(left, std::chrono::seconds(0))));
  if (!identity.roles.empty()) {
    text += fmt::format(", roles {}", fmt::join(identity.roles, " and "));
  }
  return text + ", " + readers;
}

Finding judge(const Identity& identity, const CheckContext& context, const FileAccess& access) {
  const Timestamp now = context.clock.now();
  if (const auto expired = expiry_error(identity, now)) {
    return failure(kIdentity, *expired, kRenew);
  }
  const std::string text = describe(identity, now, access.readers());
  if (const auto warned = permission_warning(context.config.teleport)) {
    return warning(kIdentity, text,
                   fmt::format("chmod o= {}", key_file(context.config.teleport).string()));
  }
  if (life_left(identity, now) != LifeLeft::kPlenty) {
    return warning(kIdentity, text + "; most of its life is over and it has not been renewed",
                   kRenew);
  }
  return found_ok(kIdentity, text);
}

}  // namespace

void check_identity(const CheckContext& context, Findings* findings) {
  if (!can_open(context, findings)) return;
  const auto identity = load_identity(context.config.teleport);
  if (!identity) {
    findings->push_back(failure(kIdentity, identity.error()));
    return;
  }
  const auto access = file_access(key_file(context.config.teleport));
  findings->push_back(judge(*identity, context, access.value_or(FileAccess{})));
}

}  // namespace sluice::fetcher
