#include "fetcher/transcode/wire_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sluice::fetcher {
namespace {

using std::string_view_literals::operator""sv;

std::vector<WireField> read_all(std::string_view bytes, bool* ok) {
  WireReader reader(bytes);
  std::vector<WireField> fields;
  WireField field;
  while (reader.next(&field)) fields.push_back(field);
  *ok = reader.ok();
  return fields;
}

TEST(WireReader, ReadsEachTypeOfField) {
  bool ok = false;
  const auto fields = read_all(
      "\x08\x96\x01"                          // 1: 150
      "\x12\x03\x61\x62\x63"                  // 2: "abc"
      "\x19\x00\x00\x00\x00\x00\x00\xF0\x3F"  // 3: 1.0
      "\x25\x01\x02\x00\x00"sv,               // 4: 513
      &ok);
  EXPECT_TRUE(ok);
  ASSERT_EQ(fields.size(), 4U);
  EXPECT_TRUE(fields[0].is(1, WireType::kVarint));
  EXPECT_EQ(fields[0].scalar, 150U);
  EXPECT_TRUE(fields[1].is(2, WireType::kBytes));
  EXPECT_EQ(fields[1].bytes, "abc");
  EXPECT_TRUE(fields[2].is(3, WireType::kFixed64));
  EXPECT_EQ(fields[2].as_double(), 1.0);
  EXPECT_TRUE(fields[3].is(4, WireType::kFixed32));
  EXPECT_EQ(fields[3].scalar, 513U);
}

TEST(WireReader, ReadsTheLargestAndNegativeVarints) {
  bool ok = false;
  const auto fields = read_all("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"sv, &ok);
  EXPECT_TRUE(ok);
  ASSERT_EQ(fields.size(), 1U);
  EXPECT_EQ(static_cast<std::int64_t>(fields[0].scalar), -1);
}

TEST(WireReader, AnEmptyMessageIsWellFormed) {
  bool ok = false;
  EXPECT_TRUE(read_all("", &ok).empty());
  EXPECT_TRUE(ok);
}

TEST(WireReader, ReportsEveryWayOfBeingMalformed) {
  for (const std::string_view bytes : {
           "\x08"sv,                                              // no value
           "\x08\x96"sv,                                          // unfinished varint
           "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"sv,      // more than 64 bits
           "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"sv,  // more than ten bytes
           "\x12\x04\x61\x62\x63"sv,                              // shorter than announced
           "\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"sv,      // length beyond everything
           "\x19\x00\x00"sv, "\x25\x00"sv,                        // unfinished fixed numbers
           "\x00\x00"sv,                                          // field number 0
           "\x0B\x0C"sv,                                          // a group
           "\x0E\x00"sv, "\x0F\x00"sv,                            // no such wire types
           "\x80\x80\x80\x80\x10\x00"sv,                          // a field number above 2^29 - 1
       }) {
    bool ok = true;
    read_all(bytes, &ok);
    EXPECT_FALSE(ok) << ::testing::PrintToString(std::string(bytes));
  }
}

TEST(WireReader, StaysAtItsEndAfterADefect) {
  WireReader reader("\x08\x96"sv);
  WireField field;
  EXPECT_FALSE(reader.next(&field));
  EXPECT_FALSE(reader.next(&field));
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace sluice::fetcher
