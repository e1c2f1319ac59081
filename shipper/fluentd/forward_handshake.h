// The forward protocol's handshake with a server that has a shared key.
//
// Both sides prove by SHA-512 digests that they know the key without sending it; a user's password
// travels the same way. The secrets are read from their files for each handshake, and no sentence
// made here has one in it. Any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_FORWARD_HANDSHAKE_H_
#define SLUICE_SHIPPER_FLUENTD_FORWARD_HANDSHAKE_H_

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/secret.h"
#include "shipper/fluentd/forward_message.h"

namespace sluice::shipper::fluentd {

// As it is configured. Value type.
struct ForwardSecurity {
  std::filesystem::path shared_key_file = {};  // empty: the server must not ask for a key
  std::string username = {};                   // empty: none
  std::filesystem::path password_file = {};
};

// What a file with a secret may hold at most. Line ends behind the secret are no part of it.
inline constexpr std::size_t kSecretFileBytesMax = 16U << 10;

class ForwardHandshake {
 public:
  // The files as they are now, a salt of its own, and this machine's host name. Errors as
  // read_secret_file().
  static Result<ForwardHandshake> begin(const ForwardSecurity& security);

  // What answers the server's HELO.
  Ping ping(const Helo& helo);
  // Whether the server has accepted us and has shown that it knows the key. kUnauthorized: it has
  // not; the message is the end of a sentence that begins with the server.
  Result<void> check(const Pong& pong) const;

 private:
  ForwardHandshake() = default;

  std::string self_hostname_;
  std::string salt_;
  std::string nonce_;  // the server's
  Secret shared_key_;
  std::string username_;
  Secret password_;
};

// The digest of the parts one behind the other, in lower case.
std::string sha512_hex(std::initializer_list<std::string_view> parts);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_FORWARD_HANDSHAKE_H_
