#include "fetcher/teleport/identity.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/openssl_ptr.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice::fetcher {
namespace {

constexpr std::int64_t kNotAfter = 1'795'402'721;  // 2026-11-23T02:58:41Z

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

// A key and a certificate for it, signed by itself.
struct Pair {
  explicit Pair(EVP_PKEY* own_key = EVP_EC_gen("P-256"), bool traditional = false,
                const std::string& organization = "bank.example.com") {
    key.reset(own_key);
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    ASN1_TIME_set(X509_getm_notBefore(certificate), 0);
    ASN1_TIME_set(X509_getm_notAfter(certificate), kNotAfter);
    X509_set_pubkey(certificate, key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "O", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(organization.c_str()), -1, -1,
                               0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    const bool has_own_digest = EVP_PKEY_is_a(key.get(), "ED25519") == 1;
    X509_sign(certificate, key.get(), has_own_digest ? nullptr : EVP_sha256());
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    certificate_pem = text_of(out);
    out = BIO_new(BIO_s_mem());
    if (traditional) {
      PEM_write_bio_PrivateKey_traditional(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    } else {
      PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    }
    key_pem = text_of(out);
    X509_free(certificate);
  }
  OpensslPtr<EVP_PKEY> key;
  std::string certificate_pem;
  std::string key_pem;
};

class IdentityTest : public ::testing::Test {
 protected:
  Result<Identity> load(const std::string& content) {
    TeleportConfig config;
    config.identity = folder_.write("identity", content);
    return load_identity(config);
  }
  std::string refusal(const std::string& content) {
    const auto identity = load(content);
    EXPECT_FALSE(identity);
    if (identity) return "";
    EXPECT_EQ(identity.error().kind, ErrorKind::kConfig);
    EXPECT_NE(identity.error().message.find((folder_.path() / "identity").native()),
              std::string::npos)
        << identity.error().message;
    return identity.error().message;
  }

  TempFolder folder_;
  Pair ours_;
  Pair ca_;
  Pair other_ca_;
};

TEST_F(IdentityTest, ReadsAnIdentityFileAndLeavesTheSshLinesAside) {
  const auto identity =
      load(ours_.key_pem + "ecdsa-cert-v01@openssh.com AAAA\n" + ours_.certificate_pem +
           "@cert-authority *.x ssh-rsa AAAA\n" + ca_.certificate_pem + other_ca_.certificate_pem);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->key_pem.view(), ours_.key_pem);
  EXPECT_EQ(identity->certificate_pem, ours_.certificate_pem);
  EXPECT_EQ(identity->ca_pem, ca_.certificate_pem + other_ca_.certificate_pem);
  EXPECT_EQ(identity->not_after, (Timestamp{kNotAfter, 0}));
}

TEST_F(IdentityTest, ReadsThreeFiles) {
  TeleportConfig config;
  config.ca = folder_.write("ca", ca_.certificate_pem);
  config.cert = folder_.write("cert", ours_.certificate_pem);
  config.key = folder_.write("key", ours_.key_pem);
  const auto identity = load_identity(config);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->certificate_pem, ours_.certificate_pem);
  EXPECT_EQ(identity->ca_pem, ca_.certificate_pem);
}

// What tctl and tbot of any release write, and openssl's own forms.
TEST_F(IdentityTest, ReadsKeysOfEveryKindAndForm) {
  struct Form {
    const char* name;
    EVP_PKEY* key;
    bool traditional;  // PKCS#1, SEC1
    const char* label;
  };
  const std::vector<Form> forms = {
      {"RSA, PKCS#1", EVP_RSA_gen(2048), true, "BEGIN RSA PRIVATE KEY"},
      {"RSA, PKCS#8", EVP_RSA_gen(2048), false, "BEGIN PRIVATE KEY"},
      {"ECDSA, SEC1", EVP_EC_gen("P-256"), true, "BEGIN EC PRIVATE KEY"},
      {"ECDSA, PKCS#8", EVP_EC_gen("P-256"), false, "BEGIN PRIVATE KEY"},
      {"Ed25519", EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), false, "BEGIN PRIVATE KEY"},
  };
  for (const Form& form : forms) {
    const Pair pair(form.key, form.traditional);
    EXPECT_NE(pair.key_pem.find(form.label), std::string::npos) << form.name;
    const auto identity = load(pair.key_pem + pair.certificate_pem + ca_.certificate_pem);
    EXPECT_TRUE(identity) << form.name << ": " << identity.error().message;
  }
}

TEST_F(IdentityTest, KnowsTheClusterFromItsIssuer) {
  const auto identity = load(ours_.key_pem + ours_.certificate_pem + ca_.certificate_pem);
  EXPECT_EQ(identity->cluster, "bank.example.com");
}

TEST_F(IdentityTest, KnowsNoClusterWhoseNameCannotBeAskedFor) {
  // OpenSSL writes no longer one than 64 characters, which here have three bytes each.
  std::string organization;
  for (int i = 0; i < 64; ++i) organization += "\xE2\x82\xAC";
  const Pair pair(EVP_EC_gen("P-256"), false, organization);
  const auto identity = load(pair.key_pem + pair.certificate_pem + ca_.certificate_pem);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->cluster, "");
}

TEST_F(IdentityTest, SaysWhenEverybodyCanReadIt) {
  TeleportConfig config;
  config.identity = folder_.write("identity", ours_.key_pem);
  const auto allow = [&](int mode) {
    std::filesystem::permissions(config.identity, static_cast<std::filesystem::perms>(mode));
    return permission_warning(config);
  };
  EXPECT_FALSE(allow(0600));
  EXPECT_FALSE(allow(0640)) << "a group is how a daemon gets it";
  const auto warning = allow(0644);
  ASSERT_TRUE(warning);
  EXPECT_NE(warning->find("chmod o= "), std::string::npos) << *warning;
}

TEST_F(IdentityTest, StampChangesWithEachOfTheFiles) {
  TeleportConfig config;
  config.ca = folder_.write("ca", "1");
  config.cert = folder_.write("cert", "1");
  config.key = folder_.write("key", "1");
  for (const char* name : {"ca", "cert", "key"}) {
    const std::string before = stamp_of_identity_files(config);
    EXPECT_EQ(stamp_of_identity_files(config), before);
    folder_.write(name, "22");
    EXPECT_NE(stamp_of_identity_files(config), before) << name;
  }
  const std::string before = stamp_of_identity_files(config);
  std::filesystem::remove(config.key);
  EXPECT_NE(stamp_of_identity_files(config), before);
}

TEST_F(IdentityTest, HasPlentyOfLifeUntilAQuarterIsLeft) {
  Identity identity;
  identity.not_before = {1'000'000, 0};
  identity.not_after = {1'001'000, 0};
  EXPECT_EQ(life_left(identity, {1'000'000, 0}), LifeLeft::kPlenty);
  EXPECT_EQ(life_left(identity, {1'000'749, 0}), LifeLeft::kPlenty);
  EXPECT_EQ(life_left(identity, {1'000'750, 0}), LifeLeft::kAQuarter);
  EXPECT_EQ(life_left(identity, {1'000'949, 0}), LifeLeft::kAQuarter);
  EXPECT_EQ(life_left(identity, {1'000'950, 0}), LifeLeft::kATwentieth);
  EXPECT_EQ(life_left(identity, {1'002'000, 0}), LifeLeft::kATwentieth);
}

TEST_F(IdentityTest, SaysWhatIsWrongWithAFile) {
  EXPECT_NE(refusal("no PEM at all").find("neither a key nor a certificate"), std::string::npos);
  EXPECT_NE(refusal(ours_.certificate_pem + ca_.certificate_pem).find("no private key"),
            std::string::npos);
  EXPECT_NE(refusal(ours_.key_pem).find("no TLS certificate"), std::string::npos);
  EXPECT_NE(refusal(ours_.key_pem + ours_.certificate_pem).find("no CA certificate"),
            std::string::npos);
  EXPECT_NE(refusal(ca_.key_pem + ours_.certificate_pem + ca_.certificate_pem)
                .find("does not belong to the certificate"),
            std::string::npos);
  std::string damaged = ca_.certificate_pem;
  damaged[60] = damaged[60] == 'A' ? 'B' : 'A';
  EXPECT_NE(refusal(ours_.key_pem + damaged.substr(0, 100) + "\n-----END CERTIFICATE-----\n" +
                    ca_.certificate_pem)
                .find("damaged"),
            std::string::npos);
}

TEST_F(IdentityTest, SaysWhenAFileIsMissing) {
  TeleportConfig config;
  config.identity = folder_.path() / "nowhere";
  const auto identity = load_identity(config);
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().kind, ErrorKind::kConfig);
  EXPECT_NE(identity.error().message.find("No such file"), std::string::npos);
}

TEST_F(IdentityTest, KnowsWhenItHasExpired) {
  const auto identity = load(ours_.key_pem + ours_.certificate_pem + ca_.certificate_pem);
  ASSERT_TRUE(identity);
  EXPECT_FALSE(expiry_error(*identity, {kNotAfter, 0}));
  const auto error = expiry_error(*identity, {kNotAfter + 1, 0});
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::kUnauthorized);
  EXPECT_NE(error->message.find("expired at 2026-11-23T02:58:41Z"), std::string::npos);
}

}  // namespace
}  // namespace sluice::fetcher
