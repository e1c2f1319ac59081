#include "shipper/configure/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>
#include <set>
#include <string>

#include "common/openssl_ptr.h"

namespace sluice::shipper::configure {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr Timestamp kFrom{.seconds = 1'800'000'000, .nanos = 0};
constexpr Timestamp kUntil{.seconds = 2'700'000'000, .nanos = 0};  // behind 2050
constexpr Timestamp kBetween{.seconds = 2'000'000'000, .nanos = 0};

CertificateOrder order(KeyType type = KeyType::kEcdsa) {
  return {.key_type = type,
          .rsa_bits = 2048,
          .from = kFrom,
          .until = kUntil,
          .authority = {.common_name = "An authority", .organization = "Bank"},
          .server = {.common_name = "fluentd.example.com", .organization = "Bank"},
          .client = {.common_name = "A client", .organization = "Bank"},
          .dns_names = {"fluentd.example.com", "*.example.org"},
          .ips = {"10.0.0.1", "::1"},
          .server_passphrase = "correct horse"};
}

OpensslPtr<X509> certificate(const std::string& pem) {
  return OpensslPtr<X509>(PEM_read_bio_X509(bio_reading(pem).get(), nullptr, nullptr, nullptr));
}

// nullptr if it does not open with that passphrase.
OpensslPtr<EVP_PKEY> key(const std::string& pem, std::string passphrase = "") {
  OpensslPtr<EVP_PKEY> opened(
      PEM_read_bio_PrivateKey(bio_reading(pem).get(), nullptr, nullptr, passphrase.data()));
  ERR_clear_error();
  return opened;
}

std::string subject(const X509* of) {
  std::array<char, 256> text{};
  return X509_NAME_oneline(X509_get_subject_name(of), text.data(), text.size());
}

// What a peer finds when it checks `leaf` for a purpose, with `authority` as all its trust.
std::string verify(const CertifiedKey& leaf, const CertifiedKey& authority, int purpose,
                   Timestamp when = kBetween) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> trust(X509_STORE_new(),
                                                                      &X509_STORE_free);
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> check(X509_STORE_CTX_new(),
                                                                              &X509_STORE_CTX_free);
  const auto trusted = certificate(authority.certificate);
  const auto checked = certificate(leaf.certificate);
  X509_STORE_add_cert(trust.get(), trusted.get());
  X509_STORE_CTX_init(check.get(), trust.get(), checked.get(), nullptr);
  X509_STORE_CTX_set_purpose(check.get(), purpose);
  X509_STORE_CTX_set_flags(check.get(), X509_V_FLAG_X509_STRICT);
  X509_STORE_CTX_set_time(check.get(), 0, when.seconds);
  if (X509_verify_cert(check.get()) == 1) return "trusted";
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get()));
}

bool has_host(const std::string& pem, const char* host) {
  return X509_check_host(certificate(pem).get(), host, 0, 0, nullptr) == 1;
}

bool has_ip(const std::string& pem, const char* ip) {
  return X509_check_ip_asc(certificate(pem).get(), ip, 0) == 1;
}

class CertificatesOfBothKinds : public testing::TestWithParam<KeyType> {};
INSTANTIATE_TEST_SUITE_P(KeyTypes, CertificatesOfBothKinds,
                         testing::Values(KeyType::kEcdsa, KeyType::kRsa), [](const auto& tested) {
                           return tested.param == KeyType::kRsa ? "Rsa" : "Ecdsa";
                         });

TEST_P(CertificatesOfBothKinds, AreTrustedForTheirOwnPurposeOnly) {
  const auto made = make_certificates(order(GetParam()));
  ASSERT_TRUE(made) << made.error().message;
  const auto& [authority, server, client] = *made;
  EXPECT_EQ(verify(server, authority, X509_PURPOSE_SSL_SERVER), "trusted");
  EXPECT_EQ(verify(client, authority, X509_PURPOSE_SSL_CLIENT), "trusted");
  EXPECT_THAT(verify(server, authority, X509_PURPOSE_SSL_CLIENT), HasSubstr("purpose"));
  EXPECT_THAT(verify(client, authority, X509_PURPOSE_SSL_SERVER), HasSubstr("purpose"));
}

TEST_P(CertificatesOfBothKinds, HaveKeysThatBelongToThem) {
  const auto made = make_certificates(order(GetParam()));
  ASSERT_TRUE(made) << made.error().message;
  const int type = GetParam() == KeyType::kRsa ? EVP_PKEY_RSA : EVP_PKEY_EC;
  const int bits = GetParam() == KeyType::kRsa ? 2048 : 256;
  std::set<std::string> keys;
  for (const auto& [pair, passphrase] :
       {std::pair(made->authority, ""), {made->server, "correct horse"}, {made->client, ""}}) {
    const auto opened = key(pair.key, passphrase);
    ASSERT_NE(opened, nullptr);
    EXPECT_EQ(EVP_PKEY_get_base_id(opened.get()), type);
    EXPECT_EQ(EVP_PKEY_get_bits(opened.get()), bits);
    EXPECT_EQ(X509_check_private_key(certificate(pair.certificate).get(), opened.get()), 1);
    keys.insert(pair.key);
  }
  EXPECT_EQ(keys.size(), 3);
}

class CertificatesTest : public testing::Test {
 protected:
  CertificatesTest() {
    auto made = make_certificates(order());
    EXPECT_TRUE(made) << made.error().message;
    if (made) made_ = *made;
  }
  Certificates made_;
};

TEST_F(CertificatesTest, TheServersKeyOpensWithThePassphraseOnly) {
  EXPECT_THAT(made_.server.key, StartsWith("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
  EXPECT_NE(key(made_.server.key, "correct horse"), nullptr);
  EXPECT_EQ(key(made_.server.key, "wrong horse"), nullptr);
  EXPECT_EQ(key(made_.server.key, ""), nullptr);
  EXPECT_THAT(made_.client.key, StartsWith("-----BEGIN PRIVATE KEY-----"));
}

TEST_F(CertificatesTest, TheServerHasAllNamesAndAddressesAndTheClientNone) {
  const std::string& server = made_.server.certificate;
  EXPECT_TRUE(has_host(server, "fluentd.example.com"));
  EXPECT_TRUE(has_host(server, "any.example.org"));
  EXPECT_TRUE(has_ip(server, "10.0.0.1"));
  EXPECT_TRUE(has_ip(server, "::1"));
  EXPECT_FALSE(has_host(server, "other.example.com"));
  EXPECT_FALSE(has_ip(server, "10.0.0.2"));
  EXPECT_FALSE(has_host(made_.client.certificate, "fluentd.example.com"));
}

TEST_F(CertificatesTest, NamesHaveMoreThanACommonName) {
  EXPECT_EQ(subject(certificate(made_.authority.certificate).get()),
            "/O=Bank/OU=Teleport audit events/CN=An authority");
  EXPECT_EQ(subject(certificate(made_.server.certificate).get()),
            "/O=Bank/OU=Teleport audit events/CN=fluentd.example.com");
  EXPECT_EQ(subject(certificate(made_.client.certificate).get()),
            "/O=Bank/OU=Teleport audit events/CN=A client");
}

TEST_F(CertificatesTest, TheAuthoritySignsCertificatesAndIsNoLeaf) {
  const auto authority = certificate(made_.authority.certificate);
  const auto flags = X509_get_extension_flags(authority.get());
  EXPECT_TRUE((flags & EXFLAG_CA) != 0 && (flags & EXFLAG_SS) != 0);
  EXPECT_EQ(X509_get_key_usage(authority.get()), std::uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_EQ(X509_get_pathlen(authority.get()), 0);
  for (const int nid : {NID_basic_constraints, NID_key_usage}) {
    const int at = X509_get_ext_by_NID(authority.get(), nid, -1);
    ASSERT_GE(at, 0);
    EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(authority.get(), at)), 1);
  }
}

TEST_F(CertificatesTest, LeavesCannotSignAndNameTheirAuthoritysKey) {
  const auto authority = certificate(made_.authority.certificate);
  for (const CertifiedKey* leaf : {&made_.server, &made_.client}) {
    const auto parsed = certificate(leaf->certificate);
    EXPECT_EQ(X509_get_extension_flags(parsed.get()) & EXFLAG_CA, 0U);
    EXPECT_EQ(X509_get_key_usage(parsed.get()), std::uint32_t{KU_DIGITAL_SIGNATURE});
    ASSERT_NE(X509_get0_subject_key_id(parsed.get()), nullptr);
    ASSERT_NE(X509_get0_authority_key_id(parsed.get()), nullptr);
    EXPECT_EQ(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(parsed.get()),
                                    X509_get0_subject_key_id(authority.get())),
              0);
  }
}

TEST_F(CertificatesTest, SerialsAreRandomAndSignaturesAreWithSha256) {
  std::set<std::string> serials;
  for (const CertifiedKey* pair : {&made_.authority, &made_.server, &made_.client}) {
    const auto parsed = certificate(pair->certificate);
    const OpensslPtr<BIGNUM> serial(
        ASN1_INTEGER_to_BN(X509_get0_serialNumber(parsed.get()), nullptr));
    EXPECT_EQ(BN_num_bits(serial.get()), 127);
    EXPECT_EQ(BN_is_negative(serial.get()), 0);
    serials.insert(std::to_string(BN_get_word(serial.get())) +
                   std::to_string(BN_mod_word(serial.get(), 1'000'003)));
    EXPECT_EQ(X509_get_signature_nid(parsed.get()), NID_ecdsa_with_SHA256);
  }
  EXPECT_EQ(serials.size(), 3);
}

TEST_F(CertificatesTest, AreValidForAsLongAsWasAskedFor) {
  const auto at = [&](std::int64_t seconds) {
    return verify(made_.client, made_.authority, X509_PURPOSE_SSL_CLIENT, {.seconds = seconds});
  };
  EXPECT_THAT(at(kFrom.seconds - 1), HasSubstr("not yet valid"));
  EXPECT_EQ(at(kFrom.seconds + 1), "trusted");
  EXPECT_EQ(at(kUntil.seconds - 1), "trusted");
  EXPECT_THAT(at(kUntil.seconds + 1), HasSubstr("expired"));
}

TEST_F(CertificatesTest, AnotherAuthorityDoesNotTrustThem) {
  const auto other = make_certificates(order());
  ASSERT_TRUE(other);
  EXPECT_THAT(verify(made_.client, other->authority, X509_PURPOSE_SSL_CLIENT),
              Not(testing::StrEq("trusted")));
}

TEST(Certificates, WhatOpensslRefusesIsAnError) {
  auto wrong = order();
  wrong.ips = {"no address"};
  const auto made = make_certificates(wrong);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::kInternal);
  EXPECT_THAT(made.error().message, HasSubstr("certificate of fluentd.example.com"));
}

}  // namespace
}  // namespace sluice::shipper::configure
