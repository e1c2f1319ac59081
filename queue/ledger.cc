#include "queue/ledger.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <memory>

#include "common/check.h"
#include "queue/bytes.h"

namespace sluice::queue {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kDigestBytes = 32;

// OpenSSL looks an algorithm up by name at each use of the short form, which costs more than the
// hash itself.
class Sha256 {
 public:
  Sha256() : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
    SLUICE_CHECK(algorithm_ != nullptr && context_ != nullptr, "OpenSSL provides SHA-256");
  }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256() {
    EVP_MD_CTX_free(context_);
    EVP_MD_free(algorithm_);
  }
  std::string_view hash(std::string_view text) {
    unsigned int length = 0;
    const bool ok = EVP_DigestInit_ex2(context_, algorithm_, nullptr) == 1 &&
                    EVP_DigestUpdate(context_, text.data(), text.size()) == 1 &&
                    EVP_DigestFinal_ex(context_, result_.data(), &length) == 1;
    SLUICE_CHECK(ok && length == result_.size(), "SHA-256 can be computed");
    return {reinterpret_cast<const char*>(result_.data()), result_.size()};
  }

 private:
  EVP_MD* algorithm_;
  EVP_MD_CTX* context_;
  std::array<unsigned char, kDigestBytes> result_{};
};

}  // namespace

void Digest::add_id(std::string_view id) {
  thread_local Sha256 sha256;
  *this += from_bytes(sha256.hash(id));
}

Digest& Digest::operator+=(const Digest& other) {
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    const bool over = __builtin_add_overflow(limbs_[i], other.limbs_[i], &first);
    const bool over_again = __builtin_add_overflow(first, carry, &second);
    limbs_[i] = second;
    carry = over || over_again ? 1 : 0;
  }
  return *this;  // the last carry falls away: modulo 2^256
}

Digest& Digest::operator-=(const Digest& other) {
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    const bool under = __builtin_sub_overflow(limbs_[i], other.limbs_[i], &first);
    const bool under_again = __builtin_sub_overflow(first, borrow, &second);
    limbs_[i] = second;
    borrow = under || under_again ? 1 : 0;
  }
  return *this;
}

std::string Digest::to_bytes() const {
  std::string bytes;
  for (std::size_t i = limbs_.size(); i-- > 0;) put_big(&bytes, limbs_[i]);
  return bytes;
}

Digest Digest::from_bytes(std::string_view bytes) {
  SLUICE_CHECK(bytes.size() == kDigestBytes, "a digest has 32 bytes");
  Digest digest;
  ByteReader reader(bytes);
  for (std::size_t i = digest.limbs_.size(); i-- > 0;) {
    digest.limbs_[i] = reader.big<std::uint64_t>();
  }
  return digest;
}

std::string Digest::to_hex() const {
  std::string text;
  for (std::size_t i = limbs_.size(); i-- > 0;) text += fmt::format("{:016x}", limbs_[i]);
  return text;
}

LedgerRow& LedgerRow::operator+=(const LedgerRow& other) {
  queued += other.queued;
  filtered += other.filtered;
  duplicates += other.duplicates;
  acknowledged += other.acknowledged;
  dead += other.dead;
  skipped += other.skipped;
  gap += other.gap;
  queued_ids += other.queued_ids;
  acknowledged_ids += other.acknowledged_ids;
  set_aside_ids += other.set_aside_ids;
  return *this;
}

LedgerRow& LedgerRow::operator-=(const LedgerRow& other) {
  queued -= other.queued;
  filtered -= other.filtered;
  duplicates -= other.duplicates;
  acknowledged -= other.acknowledged;
  dead -= other.dead;
  skipped -= other.skipped;
  gap -= other.gap;
  queued_ids -= other.queued_ids;
  acknowledged_ids -= other.acknowledged_ids;
  set_aside_ids -= other.set_aside_ids;
  return *this;
}

void add_to(Ledger* ledger, const Ledger& delta) {
  for (const auto& [key, row] : delta) (*ledger)[key] += row;
}

LedgerRow total_of(const Ledger& ledger, Lane lane) {
  LedgerRow total;
  for (const auto& [key, row] : ledger) {
    if (key.lane == lane) total += row;
  }
  return total;
}

std::string encode_ledger_row(const LedgerRow& row) {
  std::string bytes;
  put_little(&bytes, kVersion);
  for (const std::uint64_t count : {row.queued, row.filtered, row.duplicates, row.acknowledged,
                                    row.dead, row.skipped, row.gap}) {
    put_little(&bytes, count);
  }
  for (const Digest* digest : {&row.queued_ids, &row.acknowledged_ids, &row.set_aside_ids}) {
    bytes += digest->to_bytes();
  }
  return bytes;
}

Result<LedgerRow> decode_ledger_row(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.little<std::uint8_t>() != kVersion) {
    return fail(ErrorKind::kFormat, "a ledger row has a version that this program does not know");
  }
  LedgerRow row;
  for (std::uint64_t* count : {&row.queued, &row.filtered, &row.duplicates, &row.acknowledged,
                               &row.dead, &row.skipped, &row.gap}) {
    *count = reader.little<std::uint64_t>();
  }
  for (Digest* digest : {&row.queued_ids, &row.acknowledged_ids, &row.set_aside_ids}) {
    const std::string_view digest_bytes = reader.bytes(kDigestBytes);
    if (digest_bytes.size() == kDigestBytes) *digest = Digest::from_bytes(digest_bytes);
  }
  if (!reader.finished()) return fail(ErrorKind::kCorrupt, "a ledger row has a wrong length");
  return row;
}

}  // namespace sluice::queue
