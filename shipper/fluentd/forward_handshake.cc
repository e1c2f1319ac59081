#include "shipper/fluentd/forward_handshake.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdint>
#include <memory>
#include <utility>

#include "common/check.h"
#include "common/random.h"
#include "common/secret_file.h"

namespace sluice::shipper::fluentd {
namespace {

constexpr std::size_t kSaltBytes = 16;

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  const int failed = ::gethostname(name.data(), name.size() - 1);
  return failed == 0 && name[0] != '\0' ? name.data() : "localhost";
}

std::string random_bytes() {
  std::array<std::uint8_t, kSaltBytes> bytes{};
  fill_random(bytes);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::string sha512_hex(std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  bool ok = EVP_DigestInit_ex(context.get(), EVP_sha512(), nullptr) == 1;
  for (const std::string_view part : parts) {
    ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  ok = ok && EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1;
  SLUICE_CHECK(ok, "OpenSSL must know SHA-512");
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

Result<ForwardHandshake> ForwardHandshake::begin(const ForwardSecurity& security) {
  ForwardHandshake handshake;
  SLUICE_ASSIGN(handshake.shared_key_,
                read_secret_file(security.shared_key_file, "shared key", kSecretFileBytesMax));
  if (!security.username.empty()) {
    handshake.username_ = security.username;
    SLUICE_ASSIGN(handshake.password_,
                  read_secret_file(security.password_file, "password", kSecretFileBytesMax));
  }
  handshake.self_hostname_ = host_name();
  handshake.salt_ = random_bytes();
  return handshake;
}

Ping ForwardHandshake::ping(const Helo& helo) {
  nonce_ = helo.nonce;
  Ping ping{.self_hostname = self_hostname_,
            .key_salt = salt_,
            .key_digest = sha512_hex({salt_, self_hostname_, nonce_, shared_key_.view()}),
            .username = {},
            .password_digest = {}};
  if (!helo.auth_salt.empty() && !username_.empty()) {
    ping.username = username_;
    ping.password_digest = sha512_hex({helo.auth_salt, username_, password_.view()});
  }
  return ping;
}

Result<void> ForwardHandshake::check(const Pong& pong) const {
  if (!pong.accepted) {
    return fail(
        ErrorKind::kUnauthorized,
        fmt::format("the server refuses us (\"{}\"); compare forward.fluentd.shared-key-file"
                    ", username and password-file with its <security>",
                    pong.reason));
  }
  // A server of our own name could send our own digest back to us.
  if (pong.server_hostname == self_hostname_) {
    return fail(ErrorKind::kUnauthorized,
                fmt::format("the server's self_hostname is this machine's host name, {}, by which "
                            "it proves nothing: give it another one in its <security>",
                            self_hostname_));
  }
  const std::string expected =
      sha512_hex({salt_, pong.server_hostname, nonce_, shared_key_.view()});
  if (pong.digest.size() == expected.size() &&
      CRYPTO_memcmp(pong.digest.data(), expected.data(), expected.size()) == 0) {
    return {};
  }
  return fail(ErrorKind::kUnauthorized,
              "the server has not shown that it knows the shared key, so nothing is sent to it; "
              "compare forward.fluentd.shared-key-file with its <security>");
}

}  // namespace sluice::shipper::fluentd
