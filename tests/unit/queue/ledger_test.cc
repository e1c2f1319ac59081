#include "queue/ledger.h"

#include <gtest/gtest.h>

namespace sluice::queue {
namespace {

Digest of(std::initializer_list<std::string_view> ids) {
  Digest digest;
  for (const auto id : ids) digest.add_id(id);
  return digest;
}

TEST(Digest, OfOneIdIsItsSha256) {
  // FIPS 180-2, appendix B.1.
  EXPECT_EQ(of({"abc"}).to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, DoesNotDependOnOrder) { EXPECT_EQ(of({"a", "b", "c"}), of({"c", "a", "b"})); }

TEST(Digest, TellsSetsOfTheSameSizeApart) { EXPECT_NE(of({"a", "b"}), of({"a", "c"})); }

TEST(Digest, CountsAnIdThatIsThereTwice) { EXPECT_NE(of({"a", "a", "b"}), of({"a", "b"})); }

TEST(Digest, SubtractionUndoesAddition) {
  Digest sum;
  for (int i = 0; i < 1000; ++i) sum.add_id(std::to_string(i));
  for (int i = 999; i >= 0; --i) {
    Digest one;
    one.add_id(std::to_string(i));
    sum -= one;
  }
  EXPECT_TRUE(sum.is_zero());
}

TEST(Digest, ComesBackFromItsBytes) {
  const Digest digest = of({"a", "b"});
  EXPECT_EQ(Digest::from_bytes(digest.to_bytes()), digest);
}

TEST(LedgerRow, ComesBackFromItsBytes) {
  LedgerRow row{1, 2, 3, 4, 5, 6, 7, of({"q"}), of({"a"}), of({"s"})};
  const auto decoded = decode_ledger_row(encode_ledger_row(row));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, row);
}

TEST(LedgerRow, OfAWrongLengthOrVersionIsRefused) {
  const std::string bytes = encode_ledger_row({});
  EXPECT_FALSE(decode_ledger_row(bytes.substr(1)));
  EXPECT_FALSE(decode_ledger_row(bytes + "x"));
  EXPECT_FALSE(decode_ledger_row("\x02" + bytes.substr(1)));
}

TEST(Ledger, TotalsALaneOverAllDays) {
  Ledger ledger;
  ledger[{1, Lane::kAudit}].queued = 3;
  ledger[{2, Lane::kAudit}].queued = 4;
  ledger[{2, Lane::kSession}].queued = 50;
  add_to(&ledger, ledger);
  EXPECT_EQ(total_of(ledger, Lane::kAudit).queued, 14u);
}

}  // namespace
}  // namespace sluice::queue
