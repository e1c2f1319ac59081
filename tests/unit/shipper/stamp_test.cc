// What an event looks like with a stamp.
#include "shipper/stamp.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sluice::shipper {
namespace {

using queue::Lane;

std::string stamped(std::string_view body, const Stamp& stamp, std::string_view id = "e-1") {
  queue::StoredRecord stored;
  stored.seq = 42;
  stored.record.id = id;
  stored.record.body = body;
  std::string out = "before,";
  append_event(stored, stamp, &out);
  return out.substr(7);
}

const Stamp kReplay{.lane = Lane::kAudit, .replay = 14};

TEST(Stamp, WithNothingToSayTheEventStaysAsItIs) {
  EXPECT_EQ(stamped(R"({"a":1})", {}), R"({"a":1})");
}

TEST(Stamp, AddsAMemberAtTheEndAndChangesNothingElse) {
  EXPECT_EQ(stamped(R"({"a":1})", kReplay),
            R"({"a":1,"_sluice":{"replay":14,"lane":"audit","seq":42}})");
  EXPECT_EQ(stamped(R"({"a":{}})", {.lane = Lane::kSession, .replay = 1}),
            R"({"a":{},"_sluice":{"replay":1,"lane":"session","seq":42}})");
  EXPECT_EQ(stamped("{\"a\":\"}\"} \n", kReplay),
            "{\"a\":\"}\",\"_sluice\":{\"replay\":14,\"lane\":\"audit\",\"seq\":42}} \n");
}

TEST(Stamp, EmptyObjectGetsNoComma) {
  EXPECT_EQ(stamped("{}", kReplay), R"({"_sluice":{"replay":14,"lane":"audit","seq":42}})");
  EXPECT_EQ(stamped("{ \n }", kReplay),
            "{ \n \"_sluice\":{\"replay\":14,\"lane\":\"audit\",\"seq\":42}}");
}

TEST(Stamp, OfAllEventsNamesTheQueueAndTheEventToo) {
  EXPECT_EQ(stamped("{}", {.lane = Lane::kAudit, .queue = "9f", .replay = {}}),
            R"({"_sluice":{"queue":"9f","lane":"audit","seq":42,"id":"e-1"}})");
  EXPECT_EQ(stamped("{}", {.lane = Lane::kAudit, .queue = "9f", .replay = 3}),
            R"({"_sluice":{"replay":3,"queue":"9f","lane":"audit","seq":42,"id":"e-1"}})");
}

TEST(Stamp, IdsOfAnyKindStayOneString) {
  EXPECT_EQ(stamped("{}", {.lane = Lane::kAudit, .queue = "9f", .replay = {}}, "a\"b\\c\n\x01"),
            R"({"_sluice":{"queue":"9f","lane":"audit","seq":42,"id":"a\"b\\c\u000a\u0001"}})");
}

}  // namespace
}  // namespace sluice::shipper
