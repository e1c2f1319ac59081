#include "fetcher/teleport/identity.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <utility>
#include <vector>

#include "common/files.h"
#include "common/openssl_ptr.h"
#include "fetcher/teleport/dial.h"

namespace sluice::fetcher {
namespace {

// Identity files have a few kilobytes; those of clusters in the middle of a CA rotation some more.
constexpr std::size_t kFileBytesMax = 4U << 20;

// The PEM blocks of a file by what they hold, each as PEM text.
struct PemBlocks {
  std::vector<Secret> keys;
  std::vector<std::string> certificates;
};

// Cuts the blocks out of `text` by their marker lines; whatever stands between them is left aside.
PemBlocks find_blocks(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  constexpr std::string_view kDashes = "-----";
  PemBlocks blocks;
  std::size_t begin = text.find(kBegin);
  while (begin != std::string_view::npos) {
    const std::size_t label_at = begin + kBegin.size();
    const std::size_t label_end = text.find(kDashes, label_at);
    if (label_end == std::string_view::npos) break;
    const std::string_view label = text.substr(label_at, label_end - label_at);
    const std::string end_line = fmt::format("{}{}{}", kEnd, label, kDashes);
    const std::size_t end = text.find(end_line, label_end);
    if (end == std::string_view::npos) break;
    const std::size_t behind = end + end_line.size();
    std::string block;
    block.reserve(behind - begin + 1);
    block.append(text.substr(begin, behind - begin)).push_back('\n');
    if (label == "CERTIFICATE") {
      blocks.certificates.push_back(std::move(block));
    } else if (label.ends_with("PRIVATE KEY")) {
      blocks.keys.emplace_back(std::move(block));
    }
    begin = text.find(kBegin, behind);
  }
  return blocks;
}

OpensslPtr<X509> parse_certificate(const std::string& pem) {
  const OpensslPtr<BIO> bio = bio_reading(pem);
  OpensslPtr<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

OpensslPtr<EVP_PKEY> parse_key(const Secret& pem) {
  // An encrypted key would make OpenSSL ask on the terminal: an empty passphrase stops that.
  char no_passphrase[] = "";
  const OpensslPtr<BIO> bio = bio_reading(pem.view());
  OpensslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, no_passphrase));
  ERR_clear_error();
  return key;
}

Timestamp to_timestamp(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return Timestamp{.seconds = timegm(&parts), .nanos = 0};
}

// All entries of a name that are of one kind (NID_…).
std::vector<std::string> entries_of(X509_NAME* name, int kind) {
  std::vector<std::string> entries;
  for (int at = X509_NAME_get_index_by_NID(name, kind, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(name, kind, at)) {
    const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    entries.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                         static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  return entries;
}

std::string first_of(std::vector<std::string> entries) {
  return entries.empty() ? std::string() : std::move(entries.front());
}

// Holds the parts against each other, and notes what the certificate says.
Result<Identity> check(Identity identity, const std::string& key_file,
                       const std::string& certificate_file, const std::string& ca_file) {
  const OpensslPtr<X509> certificate = parse_certificate(identity.certificate_pem);
  if (!certificate) {
    return fail(
        ErrorKind::kConfig,
        fmt::format("the certificate in {} cannot be read: it is damaged", certificate_file));
  }
  const OpensslPtr<EVP_PKEY> key = parse_key(identity.key_pem);
  if (!key) {
    return fail(
        ErrorKind::kConfig,
        fmt::format("the private key in {} cannot be read: it is damaged or encrypted", key_file));
  }
  const bool matches = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!matches) {
    return fail(ErrorKind::kConfig,
                fmt::format("the private key in {} does not belong to the certificate in {}: "
                            "export both anew, in one go",
                            key_file, certificate_file));
  }
  for (const std::string& pem : find_blocks(identity.ca_pem).certificates) {
    if (parse_certificate(pem)) continue;
    return fail(ErrorKind::kConfig,
                fmt::format("a CA certificate in {} cannot be read: it is damaged", ca_file));
  }
  identity.not_before = to_timestamp(X509_get0_notBefore(certificate.get()));
  identity.not_after = to_timestamp(X509_get0_notAfter(certificate.get()));
  // Teleport's user authority has the cluster's name as its organization; in the certificate the
  // organizations are the user's roles.
  identity.cluster =
      first_of(entries_of(X509_get_issuer_name(certificate.get()), NID_organizationName));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  identity.user = first_of(entries_of(subject, NID_commonName));
  identity.roles = entries_of(subject, NID_organizationName);
  if (identity.cluster.size() > kClusterBytesMax) identity.cluster.clear();  // no cluster's name
  return identity;
}

Result<PemBlocks> read_blocks(const std::filesystem::path& path, const char* what) {
  auto read = read_file(path, kFileBytesMax);
  if (!read) {
    return fail(ErrorKind::kConfig, fmt::format("{} for Teleport: {}", what, read.error().message));
  }
  const Secret text(std::move(*read));
  PemBlocks blocks = find_blocks(text.view());
  if (blocks.keys.empty() && blocks.certificates.empty()) {
    return fail(ErrorKind::kConfig,
                fmt::format("{} {} for Teleport has neither a key nor a certificate in PEM form",
                            what, path.string()));
  }
  return blocks;
}

Result<Identity> load_identity_file(const std::filesystem::path& path) {
  SLUICE_ASSIGN(const PemBlocks blocks, read_blocks(path, "the identity file"));
  const std::string file = path.string();
  const auto missing = [&](const char* part) {
    return fail(ErrorKind::kConfig,
                fmt::format("{} is not a whole Teleport identity file: it has no {}; write it with "
                            "tctl auth sign --format=file, or let tbot write it",
                            file, part));
  };
  if (blocks.keys.empty()) return missing("private key");
  if (blocks.certificates.empty()) return missing("TLS certificate");
  if (blocks.certificates.size() == 1) return missing("CA certificate of the cluster");
  Identity identity;
  identity.name = file;
  identity.key_pem = blocks.keys.front();
  identity.certificate_pem = blocks.certificates.front();
  for (std::size_t i = 1; i < blocks.certificates.size(); ++i) {
    identity.ca_pem += blocks.certificates[i];
  }
  return check(std::move(identity), file, file, file);
}

Result<Identity> load_three_files(const TeleportConfig& config) {
  SLUICE_ASSIGN(const PemBlocks key, read_blocks(config.key, "the key file"));
  SLUICE_ASSIGN(const PemBlocks certificate, read_blocks(config.cert, "the certificate file"));
  SLUICE_ASSIGN(const PemBlocks cas, read_blocks(config.ca, "the CA file"));
  const auto missing = [](const std::filesystem::path& path, const char* part) {
    return fail(ErrorKind::kConfig, fmt::format("{} has no {}", path.string(), part));
  };
  if (key.keys.empty()) return missing(config.key, "private key");
  if (certificate.certificates.empty()) return missing(config.cert, "certificate");
  if (cas.certificates.empty()) return missing(config.ca, "certificate");
  Identity identity;
  identity.name = config.cert.string();
  identity.key_pem = key.keys.front();
  identity.certificate_pem = certificate.certificates.front();
  for (const std::string& pem : cas.certificates) identity.ca_pem += pem;
  return check(std::move(identity), config.key.string(), config.cert.string(), config.ca.string());
}

}  // namespace

Result<Identity> load_identity(const TeleportConfig& config) {
  if (!config.identity.empty()) return load_identity_file(config.identity);
  return load_three_files(config);
}

std::string stamp_of_identity_files(const TeleportConfig& config) {
  std::string stamp;
  for (const auto* path : {&config.identity, &config.ca, &config.cert, &config.key}) {
    struct stat info{};
    if (path->empty() || ::stat(path->c_str(), &info) != 0) continue;
    stamp += fmt::format("{}:{}:{}:{}.{} ", info.st_dev, info.st_ino, info.st_size,
                         info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  }
  return stamp;
}

std::optional<std::string> permission_warning(const TeleportConfig& config) {
  const auto& path = config.identity.empty() ? config.key : config.identity;
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || (info.st_mode & S_IRWXO) == 0) return std::nullopt;
  return fmt::format(
      "the Teleport identity {} is open to every user of this machine: run \"chmod o= {}\"",
      path.string(), path.string());
}

LifeLeft life_left(const Identity& identity, Timestamp now) {
  const std::int64_t life = identity.not_after.seconds - identity.not_before.seconds;
  const std::int64_t left = identity.not_after.seconds - now.seconds;
  if (left > life / 4) return LifeLeft::kPlenty;
  return left > life / 20 ? LifeLeft::kAQuarter : LifeLeft::kATwentieth;
}

std::optional<Error> expiry_error(const Identity& identity, Timestamp now) {
  if (now <= identity.not_after) return std::nullopt;
  return Error{ErrorKind::kUnauthorized,
               fmt::format("the Teleport identity {} expired at {}; renew it with tctl auth sign "
                           "or check tbot",
                           identity.name, format_rfc3339(identity.not_after))};
}

}  // namespace sluice::fetcher
