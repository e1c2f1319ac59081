#include "common/byte_size.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace sluice {
namespace {

TEST(ByteSizes, AreReadWithAndWithoutAUnit) {
  EXPECT_EQ(parse_byte_size("0").value(), 0u);
  EXPECT_EQ(parse_byte_size("65536").value(), 65'536u);
  EXPECT_EQ(parse_byte_size("12B").value(), 12u);
  EXPECT_EQ(parse_byte_size("512KiB").value(), 524'288u);
  EXPECT_EQ(parse_byte_size("16MiB").value(), 16'777'216u);
  EXPECT_EQ(parse_byte_size("2GiB").value(), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_byte_size("1TiB").value(), std::uint64_t{1} << 40);
}

TEST(ByteSizes, RefuseWhatIsNotOne) {
  for (const char* text : {"", "KiB", "-1", "+1", "1.5MiB", "5MB", "5K", "5 MiB", "5mib",
                           "9223372036854775808", "8388608TiB", "99999999999999999999"}) {
    EXPECT_FALSE(parse_byte_size(text)) << text;
  }
  EXPECT_EQ(parse_byte_size("5MB").error().message,
            "\"5MB\" is not a size, such as 65536, 512KiB or 16MiB");
}

TEST(ByteSizes, AreWrittenExactlyAndReadBackTheSame) {
  EXPECT_EQ(format_byte_size(0), "0");
  EXPECT_EQ(format_byte_size(1000), "1000");
  EXPECT_EQ(format_byte_size(524'288), "512KiB");
  EXPECT_EQ(format_byte_size(1'572'864), "1536KiB");
  EXPECT_EQ(format_byte_size(std::uint64_t{3} << 40), "3TiB");
  for (const std::uint64_t bytes : {0ULL, 1ULL, 1023ULL, 1024ULL, 1025ULL, 1ULL << 30}) {
    EXPECT_EQ(parse_byte_size(format_byte_size(bytes)).value(), bytes);
  }
}

}  // namespace
}  // namespace sluice
