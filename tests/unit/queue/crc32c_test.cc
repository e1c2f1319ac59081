#include "queue/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::queue {
namespace {

TEST(Crc32c, HasThePublishedValues) {
  // RFC 3720, appendix B.4, and the customary check value.
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32c, OfTheWholeIsThatOfItsPartsInTurn) {
  const std::string text = "events are evidence";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text));
  }
}

TEST(Crc32c, IsTheSameWithAndWithoutTheProcessorsInstruction) {
  std::string text;
  for (int length = 0; length < 1600; ++length) {
    EXPECT_EQ(crc32c(text, 17), internal::crc32c_portable(text, 17)) << length;
    text.push_back(static_cast<char>(length * 37));
  }
}

}  // namespace
}  // namespace sluice::queue
