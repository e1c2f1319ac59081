#include "shipper/fluentd/client_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <cstdio>
#include <fstream>
#include <memory>

#include "common/openssl_ptr.h"

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

  static OpensslPtr<EVP_PKEY> new_key() { return OpensslPtr<EVP_PKEY>(EVP_EC_gen("P-256")); }

  std::filesystem::path write_key(const std::string& name, EVP_PKEY* key,
                                  const char* passphrase = nullptr) {
    const FilePtr out(std::fopen(file(name).c_str(), "w"), &std::fclose);
    const auto* cipher = passphrase == nullptr ? nullptr : EVP_aes_128_cbc();
    PEM_write_PrivateKey(out.get(), key, cipher, nullptr, 0, nullptr,
                         const_cast<char*>(passphrase));
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
  EXPECT_TRUE(check_client_certificate(write_certificate("c", key.get(), -1, 1),
                                       write_key("k", key.get()), kNow)
                  .has_value());
}

TEST_F(ClientCertificate, ExpiredOneIsToldWithItsTime) {
  const auto key = new_key();
  const auto checked = check_client_certificate(write_certificate("c", key.get(), -2, -1),
                                                write_key("k", key.get()), kNow);
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, HasSubstr("expired at 2027-01-14T08:00:00Z"));
}

TEST_F(ClientCertificate, OneThatIsNotYetValidIsTold) {
  const auto key = new_key();
  const auto checked = check_client_certificate(write_certificate("c", key.get(), 1, 2),
                                                write_key("k", key.get()), kNow);
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, HasSubstr("is not valid before"));
}

TEST_F(ClientCertificate, KeyOfAnotherCertificateIsTold) {
  const auto checked = check_client_certificate(write_certificate("c", new_key().get(), -1, 1),
                                                write_key("k", new_key().get()), kNow);
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, HasSubstr("does not belong to the certificate"));
}

TEST_F(ClientCertificate, EncryptedKeyIsToldAndNobodyIsAskedForAPassphrase) {
  const auto key = new_key();
  const auto checked = check_client_certificate(write_certificate("c", key.get(), -1, 1),
                                                write_key("k", key.get(), "secret"), kNow);
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, HasSubstr("encrypted"));
}

TEST_F(ClientCertificate, MissingOrForeignFileIsTold) {
  const auto key = new_key();
  const auto key_file = write_key("k", key.get());
  EXPECT_THAT(check_client_certificate(file("none"), key_file, kNow).error().message,
              HasSubstr("cannot be read"));
  std::ofstream(file("text")) << "hello\n";
  EXPECT_THAT(check_client_certificate(file("text"), key_file, kNow).error().message,
              HasSubstr("not a certificate"));
}

}  // namespace
}  // namespace sluice::shipper::fluentd
