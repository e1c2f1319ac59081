// Identity files: fetcher/teleport/identity.
//
// Whatever a file holds, loading it ends with an identity or with one sentence that names the file
// and shows nothing of the key. An identity's parts, put into a file again, give the same identity.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>

#include "fetcher/teleport/dial.h"
#include "fetcher/teleport/identity.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

using fetcher::Identity;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(char* text) const { OPENSSL_free(text); }
  void operator()(unsigned char* bytes) const { OPENSSL_free(bytes); }
};
using BioPtr = std::unique_ptr<BIO, Free>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;
using X509Ptr = std::unique_ptr<X509, Free>;

// A file in memory, written anew for each input.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("identity", MFD_CLOEXEC)) {}
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
  void write(std::string_view content) const {
    expect(::ftruncate(fd_, 0) == 0 && ::pwrite(fd_, content.data(), content.size(), 0) ==
                                           static_cast<ssize_t>(content.size()),
           "the fuzzer cannot write its file");
  }

 private:
  int fd_;
};

Result<Identity> load(std::string_view content) {
  static const MemoryFile file;
  file.write(content);
  TeleportConfig config;
  config.identity = file.path();
  return fetcher::load_identity(config);
}

void check_refusal(const Error& error) {
  expect(error.kind == ErrorKind::kConfig, "a refusal of another kind");
  expect(error.message.find("/proc/self/fd/") != std::string::npos, "a refusal without the file");
  expect(error.message.find('\n') == std::string::npos, "a refusal of more than one line");
  // There are a few sentences. If the file's content were in them, there would be any number.
  constexpr std::size_t kSentencesMax = 16;
  static std::set<std::string> sentences;
  sentences.insert(error.message);
  expect(sentences.size() <= kSentencesMax, "a refusal shows what is in the file");
}

void check_identity(const Identity& identity) {
  expect(identity.cluster.size() <= fetcher::kClusterBytesMax,
         "a cluster whose name cannot be asked for");
  (void)fetcher::life_left(identity, {1'795'402'721, 0});
  (void)fetcher::expiry_error(identity, {1'795'402'721, 0});
  (void)fetcher::expiry_error(identity, {253'402'300'800, 0});
  const auto again =
      load(std::string(identity.key_pem.view()) + identity.certificate_pem + identity.ca_pem);
  expect(again.has_value(), "an identity's own parts are refused");
  expect(*again == identity, "an identity's own parts give another identity");
}

void run(std::string_view input) {
  const auto identity = load(input);
  if (identity) {
    check_identity(*identity);
  } else {
    check_refusal(identity.error());
  }
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

void name(X509_NAME* entries, const char* field, const std::string& text) {
  X509_NAME_add_entry_by_txt(entries, field, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
}

std::string certificate_for(EVP_PKEY* key, const std::string& organization) {
  const X509Ptr certificate(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), 0);
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), 1'795'402'721);
  X509_set_pubkey(certificate.get(), key);
  name(X509_get_subject_name(certificate.get()), "CN", "access-plugin");
  name(X509_get_subject_name(certificate.get()), "O", organization);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  X509_sign(certificate.get(), key, EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : EVP_sha256());
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  return text_of(out.get());
}

std::string key_text(EVP_PKEY* key, bool traditional, const EVP_CIPHER* cipher) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  static const unsigned char kPassphrase[] = "secret";
  constexpr int kPassphraseBytes = sizeof kPassphrase - 1;
  if (traditional) {
    PEM_write_bio_PrivateKey_traditional(out.get(), key, cipher, kPassphrase, kPassphraseBytes,
                                         nullptr, nullptr);
  } else {
    PEM_write_bio_PrivateKey(out.get(), key, cipher, kPassphrase, kPassphraseBytes, nullptr,
                             nullptr);
  }
  return text_of(out.get());
}

// Identity files with keys of every kind and form that tctl, tbot and openssl write.
std::vector<std::string> seeds() {
  const KeyPtr elliptic(EVP_EC_gen("P-256"));
  const KeyPtr edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const KeyPtr rsa(EVP_RSA_gen(2048));
  const std::string ssh = "ecdsa-cert-v01@openssh.com AAAA\n";
  const std::string authority = "@cert-authority *.x ssh-rsa AAAA\n";
  const std::string ca = certificate_for(elliptic.get(), "root.example.com");
  std::vector<std::string> seeds = {"", "-----BEGIN ", "-----BEGIN X-----\n-----END X-----\n"};
  for (EVP_PKEY* key : {elliptic.get(), edwards.get(), rsa.get()}) {
    const std::string certificate = certificate_for(key, "root.example.com");
    for (const bool traditional : {false, true}) {
      for (const EVP_CIPHER* cipher :
           {static_cast<const EVP_CIPHER*>(nullptr), EVP_aes_128_cbc()}) {
        seeds.push_back(key_text(key, traditional, cipher) + ssh + certificate + authority + ca);
      }
    }
    seeds.push_back(certificate + ca);
    seeds.push_back(key_text(key, false, nullptr) + certificate);
  }
  seeds.push_back(key_text(rsa.get(), false, nullptr) + ca + ca);
  return seeds;
}

// Changes what is inside one of the PEM blocks, which stays a PEM block.
std::string vary(std::string_view input, Random* random) {
  const BioPtr in(BIO_new_mem_buf(input.data(), static_cast<int>(input.size())));
  const BioPtr out(BIO_new(BIO_s_mem()));
  const std::size_t chosen = random->below(4);
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  for (std::size_t i = 0; PEM_read_bio(in.get(), &label, &header, &data, &size) == 1; ++i) {
    const std::unique_ptr<char, Free> free_label(label);
    const std::unique_ptr<char, Free> free_header(header);
    const std::unique_ptr<unsigned char, Free> free_data(data);
    std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    if (i == chosen) der = vary_bytes(der, random);
    const int copies = random->one_in(10) ? static_cast<int>(random->below(3)) : 1;
    for (int copy = 0; copy < copies; ++copy) {
      PEM_write_bio(out.get(), label, header, reinterpret_cast<const unsigned char*>(der.data()),
                    static_cast<long>(der.size()));
    }
  }
  const std::string text = text_of(out.get());
  return text.empty() ? vary_bytes(input, random) : text;
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = &vary, .bytes_max = 16U << 10};

}  // namespace sluice::fuzz
