#include "shipper/entry_packer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <msgpack.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using namespace std::string_view_literals;

std::string entry_of(std::string_view body, Timestamp time = {}, const Stamp& stamp = {}) {
  queue::StoredRecord stored{.seq = 42, .record = {}};
  stored.record.body = body;
  stored.record.id = "id-42";
  stored.record.time = time;
  std::string entry;
  EntryPacker().append(stored, stamp, &entry);
  return entry;
}

// The entry's record, read by the library.
msgpack::object_handle unpack(const std::string& entry) {
  return msgpack::unpack(entry.data(), entry.size());
}

// The value of the only member of an event {"a": …}.
template <typename Check>
void with_value(const std::string& json, const Check& check) {
  const auto handle = unpack(entry_of("{\"a\":" + json + "}"));
  const auto& entry = handle.get().via.array;
  ASSERT_EQ(entry.size, 2U);
  ASSERT_EQ(entry.ptr[1].via.map.size, 1U);
  check(entry.ptr[1].via.map.ptr[0].val);
}

TEST(EntryPacker, AnEntryIsTheTimeToTheNanosecondAndTheRecordWithItsTime) {
  // 2026-03-09T10:00:00Z is 1773050400, 0x69AE9A20.
  EXPECT_EQ(entry_of(R"({"time":"2026-03-09T10:00:00.123456789Z","n":1})"),
            "\x92"
            "\xd7\x00\x69\xae\x9a\x20\x07\x5b\xcd\x15"
            "\xde\x00\x02"
            "\xa4time\xbe"
            "2026-03-09T10:00:00.123456789Z"
            "\xa1n\x01"sv);
}

TEST(EntryPacker, MillisecondsAreKeptAndOffsetsHonoured) {
  const auto time = entry_of(R"({"time":"2026-03-09T12:00:00.849+02:00"})").substr(1, 10);
  EXPECT_EQ(time, "\xd7\x00\x69\xae\x9a\x20\x32\x9a\xb6\x40"sv);
}

TEST(EntryPacker, WithoutAUsableTimeTheRecordsOwnIsTaken) {
  for (const char* body : {R"({"n":1})", R"({"time":5})", R"({"time":"nonsense"})",
                           R"({"a":{"time":"2026-03-09T10:00:00Z"}})"}) {
    EXPECT_EQ(entry_of(body, {.seconds = 1, .nanos = 2}).substr(1, 10),
              "\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02"sv)
        << body;
  }
}

TEST(EntryPacker, ATimeBeyondWhatEventTimeCanSayGoesAsWholeSeconds) {
  for (const auto& [text, seconds] :
       {std::pair{"0001-01-01T00:00:00Z", std::int64_t{-62'135'596'800}},
        std::pair{"1969-12-31T23:59:59.5Z", std::int64_t{-1}},
        std::pair{"2150-01-01T00:00:00Z", std::int64_t{5'680'281'600}}}) {
    const auto handle = unpack(entry_of(std::string(R"({"time":")") + text + "\"}"));
    EXPECT_EQ(handle.get().via.array.ptr[0].as<std::int64_t>(), seconds) << text;
    EXPECT_EQ(handle.get().via.array.ptr[1].via.map.ptr[0].val.as<std::string>(), text);
  }
}

TEST(EntryPacker, IntegersOfSixtyFourBitsStayIntegers) {
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, std::int64_t{127}, std::int64_t{-33},
        std::int64_t{65'536}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()}) {
    with_value(std::to_string(number), [number](const msgpack::object& value) {
      EXPECT_EQ(value.type,
                number < 0 ? msgpack::type::NEGATIVE_INTEGER : msgpack::type::POSITIVE_INTEGER);
      EXPECT_EQ(value.as<std::int64_t>(), number);
    });
  }
  with_value("18446744073709551615", [](const msgpack::object& value) {
    EXPECT_EQ(value.as<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  });
}

TEST(EntryPacker, EveryOtherNumberIsTheDoubleThatItMeans) {
  for (const auto& [text, number] :
       {std::pair{"0.1", 0.1}, std::pair{"-1.5e-7", -1.5e-7}, std::pair{"1.0", 1.0},
        std::pair{"1e2", 100.0}, std::pair{"18446744073709551616", 18446744073709551616.0},
        std::pair{"-9223372036854775809", -9223372036854775808.0},
        std::pair{"123456789012345680000 ", 123456789012345680000.0},
        std::pair{"1.7976931348623157e308", 1.7976931348623157e308}, std::pair{"5e-324", 5e-324},
        std::pair{"1e-400", 0.0}, std::pair{"1e400", std::numeric_limits<double>::infinity()}}) {
    with_value(text, [&](const msgpack::object& value) {
      EXPECT_EQ(value.type, msgpack::type::FLOAT64) << text;
      EXPECT_EQ(value.via.f64, number) << text;
    });
  }
  with_value("-0", [](const msgpack::object& value) {
    EXPECT_EQ(value.type, msgpack::type::FLOAT64);
    EXPECT_TRUE(std::signbit(value.via.f64));
  });
}

TEST(EntryPacker, StringsAreTheirBytesWithoutEscapes) {
  with_value(R"("a\"\\\/\b\f\n\r\t\u00fc\ud83d\ude00 ü\u0000z")", [](const msgpack::object& value) {
    EXPECT_EQ(value.as<std::string>(), "a\"\\/\b\f\n\r\tü\U0001F600 ü\0z"sv);
  });
  const std::string large(70'000, 'x');
  with_value('"' + large + '"',
             [&](const msgpack::object& value) { EXPECT_EQ(value.as<std::string>(), large); });
}

TEST(EntryPacker, ValuesOfEveryKindAndDepthAreKept) {
  with_value(" [ null , true,false,[],{},[[{\"b\":\"c\"}]] ] ", [](const msgpack::object& value) {
    std::ostringstream written;
    written << value;
    EXPECT_EQ(written.str(), R"([null,true,false,[],{},[[{"b":"c"}]]])");
  });
  std::string deep = "1";
  for (int i = 0; i < 100; ++i) deep = "[" + deep + "]";
  with_value(deep, [](const msgpack::object& value) {
    const msgpack::object* inner = &value;
    for (int i = 0; i < 100; ++i) inner = inner->via.array.ptr;
    EXPECT_EQ(inner->as<int>(), 1);
  });
}

TEST(EntryPacker, ManyMembersAreCountedRight) {
  for (const std::size_t count : {15U, 16U, 65'535U, 65'536U, 70'000U}) {
    std::string numbers;
    std::string members;
    for (std::size_t i = 0; i < count; ++i) {
      numbers += (i == 0 ? "" : ",") + std::to_string(i);
      members += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
    }
    with_value("[" + numbers + "]", [&](const msgpack::object& value) {
      ASSERT_EQ(value.via.array.size, count);
      EXPECT_EQ(value.via.array.ptr[count - 1].as<std::size_t>(), count - 1);
    });
    with_value("{" + members + "}",
               [&](const msgpack::object& value) { EXPECT_EQ(value.via.map.size, count); });
  }
}

TEST(EntryPacker, TheStampIsAMemberOfTheRecord) {
  const Stamp stamp{.lane = queue::Lane::kAudit, .queue = "9f", .replay = 14};
  const auto handle = unpack(entry_of(R"({"n":1})", {}, stamp));
  std::ostringstream written;
  written << handle.get().via.array.ptr[1];
  EXPECT_EQ(written.str(), R"({"n":1,"_sluice":{"replay":14,"queue":"9f","lane":"audit","seq":42,)"
                           R"("id":"id-42"}})");
}

TEST(EntryPacker, ABatchHasItsCountAndThenAnEntryForEachEvent) {
  FakeLane lane;
  lane.add_events(300);
  Batch batch("");
  auto records = lane.read(queue::Lane::kAudit, 1, {.records_max = 300, .bytes_max = 1U << 20});
  for (auto& record : *records) batch.append(record);
  const std::string body = batch.body(BodyForm::kEntries);
  EXPECT_EQ(body.substr(0, kUint32Bytes), "\xce\x00\x00\x01\x2c"sv);
  std::size_t at = kUint32Bytes;
  for (int n = 1; n <= 300; ++n) {
    const auto handle = msgpack::unpack(body.data(), body.size(), at);
    EXPECT_EQ(handle.get().via.array.ptr[1].via.map.ptr[0].val.as<int>(), n);
  }
  EXPECT_EQ(at, body.size());
}

TEST(EntryPackerDeathTest, WhatIsNoObjectIsADefect) {
  EXPECT_DEATH((void)entry_of("[1]"), "JSON object");
  EXPECT_DEATH((void)entry_of("{\"a\":}"), "JSON object");
}

}  // namespace
}  // namespace sluice::shipper
