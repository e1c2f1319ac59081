#include "shipper/fluentd/client_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <cstdio>
#include <fstream>
#include <memory>

#include "common/openssl_ptr.h"
#include "shipper/fluentd/client_identity.h"

namespace sluice::shipper::fluentd {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kDaySeconds = 86'400;
constexpr Timestamp kNow{.seconds = 1'800'000'000, .nanos = 0};

using FilePtr = std::unique_ptr<std::FILE, decltype(&std::fclose)>;

class ClientCertificate : public testing::Test {
 protected:
  ClientCertificate() {
    std::string folder = testing::TempDir() + "/certificateXXXXXX";
    folder_ = ::mkdtemp(folder.data());
  }
  ~ClientCertificate() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file(const std::string& name) const { return folder_ / name; }

  std::filesystem::path write_text(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }

  static Result<void> check(const TlsFiles& files) { return check_client_certificate(files, kNow); }

  static OpensslPtr<EVP_PKEY> new_key() { return OpensslPtr<EVP_PKEY>(EVP_EC_gen("P-256")); }

  std::filesystem::path write_key(const std::string& name, EVP_PKEY* key,
                                  const char* passphrase = nullptr) {
    const FilePtr out(std::fopen(file(name).c_str(), "w"), &std::fclose);
    const auto* cipher = passphrase == nullptr ? nullptr : EVP_aes_128_cbc();
    PEM_write_PrivateKey(out.get(), key, cipher, nullptr, 0, nullptr,
                         const_cast<char*>(passphrase));
    return file(name);
  }

  // As Teleport's own `configure` writes it: with the encryption in lines of the PEM itself.
  std::filesystem::path write_traditional_key(const std::string& name, EVP_PKEY* key,
                                              std::string passphrase) {
    const OpensslPtr<BIO> out(BIO_new_file(file(name).c_str(), "w"));
    PEM_write_bio_PrivateKey_traditional(out.get(), key, EVP_aes_256_cbc(), nullptr, 0, nullptr,
                                         passphrase.data());
    return file(name);
  }

  std::filesystem::path write_certificate(const std::string& name, EVP_PKEY* key,
                                          std::int64_t from_days, std::int64_t to_days) {
    const OpensslPtr<X509> certificate(X509_new());
    ASN1_TIME_set(X509_getm_notBefore(certificate.get()), kNow.seconds + from_days * kDaySeconds);
    ASN1_TIME_set(X509_getm_notAfter(certificate.get()), kNow.seconds + to_days * kDaySeconds);
    X509_set_pubkey(certificate.get(), key);
    X509_sign(certificate.get(), key, EVP_sha256());
    const FilePtr out(std::fopen(file(name).c_str(), "w"), &std::fclose);
    PEM_write_X509(out.get(), certificate.get());
    return file(name);
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(ClientCertificate, ValidPairIsAccepted) {
  const auto key = new_key();
  EXPECT_TRUE(
      check({.cert = write_certificate("c", key.get(), -1, 1), .key = write_key("k", key.get())})
          .has_value());
}

TEST_F(ClientCertificate, ExpiredOneIsToldWithItsTime) {
  const auto key = new_key();
  const auto checked =
      check({.cert = write_certificate("c", key.get(), -2, -1), .key = write_key("k", key.get())});
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, HasSubstr("expired at 2027-01-14T08:00:00Z"));
}

TEST_F(ClientCertificate, OneThatIsNotYetValidIsTold) {
  const auto key = new_key();
  const auto checked =
      check({.cert = write_certificate("c", key.get(), 1, 2), .key = write_key("k", key.get())});
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, HasSubstr("is not valid before"));
}

TEST_F(ClientCertificate, KeyOfAnotherCertificateIsTold) {
  const auto checked = check({.cert = write_certificate("c", new_key().get(), -1, 1),
                              .key = write_key("k", new_key().get())});
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, HasSubstr("does not belong to the certificate"));
}

TEST_F(ClientCertificate, EncryptedKeyIsToldAndNobodyIsAskedForAPassphrase) {
  const auto key = new_key();
  const auto checked = check({.cert = write_certificate("c", key.get(), -1, 1),
                              .key = write_key("k", key.get(), "secret")});
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, HasSubstr("encrypted"));
}

TEST_F(ClientCertificate, EncryptedKeyIsOpenedWithThePassphraseInItsFile) {
  const OpensslPtr<EVP_PKEY> rsa(EVP_RSA_gen(2048));
  const auto ec = new_key();
  const auto passphrase = write_text("p", "two words\n");
  for (EVP_PKEY* key : {rsa.get(), ec.get()}) {
    const auto cert = write_certificate("c", key, -1, 1);
    for (const auto& file : {write_key("k8", key, "two words"),
                             write_traditional_key("k1", key, "two words"), write_key("k", key)}) {
      const auto checked = check({.cert = cert, .key = file, .key_passphrase = passphrase});
      EXPECT_TRUE(checked.has_value()) << checked.error().message;
    }
  }
  std::ifstream traditional(file("k1"));
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(traditional), {}),
              HasSubstr("DEK-Info: AES-256-CBC"));
}

TEST_F(ClientCertificate, PassphraseThatDoesNotOpenTheKeyIsToldWithoutShowingIt) {
  const auto key = new_key();
  const auto cert = write_certificate("c", key.get(), -1, 1);
  const auto passphrase = write_text("p", "wrongword\n");
  for (const auto& file :
       {write_key("k8", key.get(), "secret"), write_traditional_key("k1", key.get(), "secret")}) {
    const auto checked = check({.cert = cert, .key = file, .key_passphrase = passphrase});
    ASSERT_FALSE(checked.has_value());
    EXPECT_THAT(checked.error().message, HasSubstr("does not open this key"));
    EXPECT_THAT(checked.error().message, testing::Not(HasSubstr("wrongword")));
  }
}

TEST_F(ClientCertificate, PassphraseFileThatIsEmptyMissingOrTooLongIsTold) {
  const auto key = new_key();
  TlsFiles files{.cert = write_certificate("c", key.get(), -1, 1),
                 .key = write_key("k", key.get(), "secret"),
                 .key_passphrase = write_text("empty", "\n")};
  EXPECT_THAT(check(files).error().message, HasSubstr("the file is empty"));
  files.key_passphrase = file("none");
  EXPECT_THAT(check(files).error().message, HasSubstr("passphrase of the key cannot be read"));
  files.key_passphrase = write_text("long", std::string(5000, 'x'));
  EXPECT_THAT(check(files).error().message, HasSubstr("longer than"));
}

TEST_F(ClientCertificate, CertificatesBehindItInItsFileAreItsChain) {
  const auto key = new_key();
  const auto cert = write_certificate("c", key.get(), -1, 1);
  std::ifstream issuer(write_certificate("i", new_key().get(), -1, 1));
  std::ofstream(cert, std::ios::app) << issuer.rdbuf();
  const auto ours = load_client_certificate({.cert = cert, .key = write_key("k", key.get())});
  ASSERT_TRUE(ours.has_value()) << ours.error().message;
  EXPECT_EQ(ours->chain.size(), 1U);
}

TEST_F(ClientCertificate, WhileItsRenewalIsHalfDoneTheLastOneGoesOnBeingUsed) {
  const auto old_key = new_key();
  const TlsFiles files{.cert = write_certificate("c", old_key.get(), -1, 1),
                       .key = write_key("k", old_key.get())};
  ClientIdentity identity(files);
  const auto used_key = [&] {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_method()),
                                                                    &SSL_CTX_free);
    EXPECT_TRUE(identity.use(context.get()).has_value());
    return OpensslPtr<EVP_PKEY>(X509_get_pubkey(SSL_CTX_get0_certificate(context.get())));
  };
  EXPECT_EQ(EVP_PKEY_eq(used_key().get(), old_key.get()), 1);
  const auto fresh_key = new_key();
  write_key("k", fresh_key.get());
  EXPECT_EQ(EVP_PKEY_eq(used_key().get(), old_key.get()), 1);
  write_certificate("c", fresh_key.get(), -1, 1);
  EXPECT_EQ(EVP_PKEY_eq(used_key().get(), fresh_key.get()), 1);
}

TEST_F(ClientCertificate, OneThatOpensslDoesNotTakeDoesNotReplaceTheLastOne) {
  const auto good_key = new_key();
  const TlsFiles files{.cert = write_certificate("c", good_key.get(), -1, 1),
                       .key = write_key("k", good_key.get())};
  ClientIdentity identity(files);
  const auto use = [&] {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_method()),
                                                                    &SSL_CTX_free);
    // Where keys of 1024 bits are too short.
    SSL_CTX_set_security_level(context.get(), 2);
    return identity.use(context.get());
  };
  EXPECT_TRUE(use().has_value());
  const OpensslPtr<EVP_PKEY> short_key(EVP_RSA_gen(1024U));
  write_certificate("c", short_key.get(), -1, 1);
  write_key("k", short_key.get());
  EXPECT_TRUE(use().has_value());
  EXPECT_TRUE(use().has_value());
}

TEST_F(ClientCertificate, WithoutEverAGoodOneItsUseFails) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_method()),
                                                                  &SSL_CTX_free);
  ClientIdentity identity({.cert = file("none"), .key = file("none")});
  EXPECT_FALSE(identity.use(context.get()).has_value());
}

TEST_F(ClientCertificate, MissingOrForeignFileIsTold) {
  const auto key = new_key();
  const auto key_file = write_key("k", key.get());
  EXPECT_THAT(check({.cert = file("none"), .key = key_file}).error().message,
              HasSubstr("cannot be read"));
  std::ofstream(file("text")) << "hello\n";
  EXPECT_THAT(check({.cert = file("text"), .key = key_file}).error().message,
              HasSubstr("not a certificate"));
}

}  // namespace
}  // namespace sluice::shipper::fluentd
