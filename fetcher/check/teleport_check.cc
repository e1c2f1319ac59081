#include <fmt/format.h>

#include <memory>
#include <string>

#include "fetcher/check/fetcher_checks.h"
#include "fetcher/teleport/client.h"
#include "fetcher/teleport/identity.h"

namespace sluice::fetcher {
namespace {

constexpr const char* kRoute = "route";
constexpr const char* kRole = "role";

// The least that Teleport can be asked for: it answers, or says what is missing in the role.
Result<std::string> try_to_list(TeleportClient* client, const CheckContext& context) {
  const Timestamp now = context.clock.now();
  const auto chunks = client->list_chunks(day_of(now), context.stop);
  if (chunks) {
    return fmt::format("may list events; bulk export, chunks of today: {}", chunks->size());
  }
  if (chunks.error().kind != ErrorKind::kUnimplemented) return fail(chunks.error());
  SLUICE_TRY(client->search({.from = add_seconds(now, -1),
                             .to = now,
                             .types = context.config.fetcher.types,
                             .limit = 1,
                             .start_key = ""},
                            context.stop));
  return "may list events; no bulk export there, so they are searched for";
}

Finding about_other_rights(const CheckContext& context) {
  std::string text =
      "whether it may read recordings ({resources: [session], verbs: [read]}) is not tried: each "
      "try is an audit event in Teleport";
  if (context.config.lock.enabled) {
    text += "; nor whether it may lock users ({resources: [lock], verbs: [create, update]})";
  }
  return not_looked_at(kRole, std::move(text));
}

}  // namespace

void check_teleport(const CheckContext& context, Findings* findings) {
  if (context.offline) {
    findings->push_back(not_looked_at(kRoute, "Teleport is not asked (--offline)"));
    return;
  }
  // What is wrong with the identity has been said.
  if (!load_identity(context.config.teleport)) {
    findings->push_back(not_looked_at(kRoute, "Teleport is not asked without an identity"));
    return;
  }
  const auto client = TeleportClient::create(context.config.teleport, context.clock);
  if (!client) {
    findings->push_back(failure(kRoute, client.error()));
    return;
  }
  const auto cluster = (*client)->ping(context.stop);
  if (!cluster) {
    findings->push_back(failure(kRoute, cluster.error()));
    return;
  }
  findings->push_back(found_ok(kRoute, fmt::format("cluster {}, {}", *cluster, (*client)->way())));
  const auto may = try_to_list(client->get(), context);
  findings->push_back(may ? found_ok(kRole, *may) : failure(kRole, may.error()));
  findings->push_back(about_other_rights(context));
}

}  // namespace sluice::fetcher
