// Who we are to Teleport: a private key, its X.509 certificate, and the cluster's CAs.
//
// Read either from an identity file, as `tctl auth sign` and tbot write it (the first certificate
// in it is ours, further ones are CAs; lines for SSH are left aside), or from three PEM files.
// Value type. Loading reads files and nothing else; it says what is wrong with them in one sentence
// (kConfig). Being expired is no loading error, since a renewed file heals it: ask expiry_error().
#ifndef SLUICE_FETCHER_TELEPORT_IDENTITY_H_
#define SLUICE_FETCHER_TELEPORT_IDENTITY_H_

#include <optional>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/error.h"
#include "common/secret.h"
#include "common/time.h"

namespace sluice::fetcher {

struct Identity {
  std::string name;  // the file it came from, for sentences
  Secret key_pem;
  std::string certificate_pem;  // ours alone: Teleport refuses longer chains
  std::string ca_pem;           // one or more
  Timestamp not_before;         // of our certificate, as the next
  Timestamp not_after;
  std::string cluster;  // that issued it, as far as it says; may be empty
  std::string user;     // of Teleport, as the next as far as it says
  std::vector<std::string> roles;

  bool operator==(const Identity&) const = default;
};

Result<Identity> load_identity(const TeleportConfig& config);

// Changes whenever one of the files does, or is replaced: for looking often at little cost.
std::string stamp_of_identity_files(const TeleportConfig& config);

// A sentence if more people can read the key than should; nothing if all is well.
std::optional<std::string> permission_warning(const TeleportConfig& config);

// How much of an identity's life is left. Less than a quarter, and less than a twentieth, are worth
// a warning each.
enum class LifeLeft { kPlenty, kAQuarter, kATwentieth };
LifeLeft life_left(const Identity& identity, Timestamp now);

// kUnauthorized, with the date and what to do, if the identity has expired at `now`.
std::optional<Error> expiry_error(const Identity& identity, Timestamp now);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_IDENTITY_H_
