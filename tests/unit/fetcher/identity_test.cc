#include "fetcher/teleport/identity.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

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
  Pair() {
    key.reset(EVP_EC_gen("P-256"));
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    ASN1_TIME_set(X509_getm_notBefore(certificate), 0);
    ASN1_TIME_set(X509_getm_notAfter(certificate), kNotAfter);
    X509_set_pubkey(certificate, key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_sign(certificate, key.get(), EVP_sha256());
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    certificate_pem = text_of(out);
    out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    key_pem = text_of(out);
    X509_free(certificate);
  }
  struct Free {
    void operator()(EVP_PKEY* held) const { EVP_PKEY_free(held); }
  };
  std::unique_ptr<EVP_PKEY, Free> key;
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
  EXPECT_EQ(identity->key_pem, ours_.key_pem);
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
