#include "fetcher/transcode/json_number.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

namespace sluice::fetcher {
namespace {

std::string json_of(double value) {
  std::string out;
  EXPECT_TRUE(append_json_number(value, &out));
  return out;
}

TEST(JsonNumber, WritesWholeNumbersWithoutFraction) {
  EXPECT_EQ(json_of(0), "0");
  EXPECT_EQ(json_of(1), "1");
  EXPECT_EQ(json_of(-7), "-7");
  EXPECT_EQ(json_of(2147483647), "2147483647");
  EXPECT_EQ(json_of(4294968064), "4294968064");
  EXPECT_EQ(json_of(9007199254740992), "9007199254740992");
}

TEST(JsonNumber, WritesMinusZeroAsGoDoes) { EXPECT_EQ(json_of(-0.0), "-0"); }

TEST(JsonNumber, FillsUpWholeNumbersBeyondExactnessWithZeros) {
  EXPECT_EQ(json_of(9007199254740994.0), "9007199254740994");
  EXPECT_EQ(json_of(18446744073709551616.0), "18446744073709552000");
  EXPECT_EQ(json_of(123456789012345680000.0), "123456789012345680000");
  EXPECT_EQ(json_of(999999999999999868928.0), "999999999999999900000");
}

TEST(JsonNumber, ChangesToAnExponentAtTheSamePlacesAsGo) {
  EXPECT_EQ(json_of(1e20), "100000000000000000000");
  EXPECT_EQ(json_of(1e21), "1e+21");
  EXPECT_EQ(json_of(-1.5e21), "-1.5e+21");
  EXPECT_EQ(json_of(1e100), "1e+100");
  EXPECT_EQ(json_of(1e-6), "0.000001");
  EXPECT_EQ(json_of(9.9e-7), "9.9e-7");
  EXPECT_EQ(json_of(-1e-7), "-1e-7");
  EXPECT_EQ(json_of(1.25e-10), "1.25e-10");
  EXPECT_EQ(json_of(5e-324), "5e-324");
  EXPECT_EQ(json_of(1.7976931348623157e308), "1.7976931348623157e+308");
}

TEST(JsonNumber, WritesTheShortestDigitsThatReadBack) {
  EXPECT_EQ(json_of(0.1), "0.1");
  EXPECT_EQ(json_of(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(json_of(3.14), "3.14");
  EXPECT_EQ(json_of(-123.456), "-123.456");
  EXPECT_EQ(json_of(0.000123), "0.000123");
  EXPECT_EQ(json_of(1e15 + 0.5), "1000000000000000.5");
}

TEST(JsonNumber, RefusesWhatJsonCannotSay) {
  std::string out = "before";
  EXPECT_FALSE(append_json_number(std::numeric_limits<double>::quiet_NaN(), &out));
  EXPECT_FALSE(append_json_number(std::numeric_limits<double>::infinity(), &out));
  EXPECT_FALSE(append_json_number(-std::numeric_limits<double>::infinity(), &out));
  EXPECT_EQ(out, "before");
}

TEST(JsonNumber, ReadsBackAsTheSameDoubleForRandomBitPatterns) {
  std::mt19937_64 random(20261123);
  for (int i = 0; i < 200'000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const std::string text = json_of(value);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(std::strtod(text.c_str(), nullptr)),
              std::bit_cast<std::uint64_t>(value))
        << text;
  }
}

}  // namespace
}  // namespace sluice::fetcher
