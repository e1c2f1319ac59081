#include "fetcher/transcode/event.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "fetcher/transcode/sha256_hex.h"
#include "teleport/auditlog/v1/auditlog.pb.h"

namespace sluice::fetcher {
namespace {

using teleport::auditlog::v1::EventUnstructured;

EventUnstructured login() {
  EventUnstructured message;
  message.set_type("user.login");
  message.set_id("3b7d9f0e");
  message.set_index(4);
  message.mutable_time()->set_seconds(1'795'402'721);
  message.mutable_time()->set_nanos(5'000'000);
  auto& fields = *message.mutable_unstructured()->mutable_fields();
  fields["time"].set_string_value("2026-11-23T02:58:41.005Z");
  fields["user"].set_string_value("anna");
  return message;
}

TEST(EventDecoder, DecodesAnEvent) {
  EventDecoder decoder;
  const auto event = decoder.decode(login().SerializeAsString());
  ASSERT_TRUE(event) << event.error().reason;
  EXPECT_EQ(event->id, "3b7d9f0e");
  EXPECT_EQ(event->type, "user.login");
  EXPECT_EQ(event->time, (Timestamp{1'795'402'721, 5'000'000}));
  EXPECT_EQ(event->index, 4);
  EXPECT_EQ(event->json, R"({"time":"2026-11-23T02:58:41.005Z","user":"anna"})");
  EXPECT_EQ(event->sid, "");
}

TEST(EventDecoder, GivesAnEventWithoutIdTheHashOfItsJson) {
  EventUnstructured message = login();
  message.clear_id();
  EventDecoder decoder;
  const auto event = decoder.decode(message.SerializeAsString());
  ASSERT_TRUE(event);
  EXPECT_EQ(event->id, sha256_hex(event->json));
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(EventDecoder, SaysOfAnEventThatIsTooLargeWhatItIsAndDoesNotKeepItsBytes) {
  EventUnstructured message = login();
  (*message.mutable_unstructured()->mutable_fields())["data"].set_string_value(
      std::string(kEventBytesMax, 'x'));
  EventDecoder decoder;
  const auto event = decoder.decode(message.SerializeAsString());
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().id, "3b7d9f0e");
  EXPECT_EQ(event.error().type, "user.login");
  EXPECT_EQ(event.error().time, (Timestamp{1'795'402'721, 5'000'000}));
  EXPECT_NE(event.error().reason.find("67108864 are the most"), std::string::npos);
  EXPECT_TRUE(event.error().bytes.empty());
}

TEST(EventDecoder, TellsTheSessionOfAnUploadOnly) {
  EventUnstructured message = login();
  (*message.mutable_unstructured()->mutable_fields())["sid"].set_string_value("s-1");
  EventDecoder decoder;
  EXPECT_EQ(decoder.decode(message.SerializeAsString())->sid, "");
  message.set_type("session.upload");
  EXPECT_EQ(decoder.decode(message.SerializeAsString())->sid, "s-1");
}

TEST(EventDecoder, TakesTheTimeFromTheBodyWhereTheEnvelopeHasNone) {
  EventUnstructured message = login();
  message.clear_time();
  EventDecoder decoder;
  const auto event = decoder.decode(message.SerializeAsString());
  ASSERT_TRUE(event);
  EXPECT_EQ(event->time, (Timestamp{1'795'402'721, 5'000'000}));
}

TEST(EventDecoder, KnowsAFailedLogin) {
  EventDecoder decoder;
  EventUnstructured message = login();
  auto& fields = *message.mutable_unstructured()->mutable_fields();
  fields["user"].set_string_value("anna");
  const auto failed = [&] { return decoder.decode(message.SerializeAsString())->failed_login; };
  fields["success"].set_bool_value(true);
  EXPECT_FALSE(failed());
  fields["success"].set_bool_value(false);
  ASSERT_TRUE(failed());
  EXPECT_EQ(failed()->user, "anna");
  EXPECT_EQ(failed()->login, "");
  fields["login"].set_string_value("root");
  EXPECT_EQ(failed()->login, "root");
  fields["success"].set_string_value("false");
  EXPECT_FALSE(failed());
  fields["success"].set_bool_value(false);
  fields.erase("user");
  EXPECT_FALSE(failed()) << "nobody to lock";
  fields["user"].set_string_value("anna");
  message.set_type("session.start");
  EXPECT_FALSE(failed());
}

TEST(EventDecoder, RejectsAnEventWhoseTimeTheSinkCannotRead) {
  EventDecoder decoder;
  EventUnstructured message = login();
  auto& time = (*message.mutable_unstructured()->mutable_fields())["time"];
  for (const char* text : {"", "2026-11-23 02:58:41", "nonsense", "2026-13-01T00:00:00Z"}) {
    time.set_string_value(text);
    const auto event = decoder.decode(message.SerializeAsString());
    ASSERT_FALSE(event) << text;
    EXPECT_NE(event.error().reason.find("YYYY-MM-DDTHH:MM:SS"), std::string::npos);
  }
  time.set_number_value(1'795'402'721);
  EXPECT_FALSE(decoder.decode(message.SerializeAsString()));
  message.mutable_unstructured()->mutable_fields()->erase("time");
  EXPECT_FALSE(decoder.decode(message.SerializeAsString()));
}

TEST(EventDecoder, KeepsInARejectWhatCouldBeRead) {
  EventUnstructured message = login();
  (*message.mutable_unstructured()->mutable_fields())["bad"];  // A value without a kind.
  const std::string bytes = message.SerializeAsString();
  EventDecoder decoder;
  const auto event = decoder.decode(bytes);
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().id, "3b7d9f0e");
  EXPECT_EQ(event.error().type, "user.login");
  EXPECT_EQ(event.error().time, (Timestamp{1'795'402'721, 5'000'000}));
  EXPECT_EQ(event.error().bytes, bytes);
  EXPECT_NE(event.error().reason.find("no kind"), std::string::npos);
}

TEST(EventDecoder, RejectsBytesThatAreNoMessageUnderTheirHash) {
  EventDecoder decoder;
  const auto event = decoder.decode("\x0A\x7F nonsense");
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().id, sha256_hex("\x0A\x7F nonsense"));
  EXPECT_EQ(event.error().type, "");
}

TEST(EventDecoder, RejectsAnEventWithoutBody) {
  EventUnstructured message = login();
  message.clear_unstructured();
  EventDecoder decoder;
  const auto event = decoder.decode(message.SerializeAsString());
  ASSERT_FALSE(event);
  EXPECT_NE(event.error().reason.find("no body"), std::string::npos);
}

TEST(EventDecoder, RejectsTimesOutsideTheYearsOfProtobufsTimestamp) {
  EventDecoder decoder;
  EventUnstructured message = login();
  for (const std::int64_t seconds : {-62'135'596'800, 253'402'300'799}) {
    message.mutable_time()->set_seconds(seconds);
    EXPECT_TRUE(decoder.decode(message.SerializeAsString())) << seconds;
  }
  for (const std::int64_t seconds : {-62'135'596'801, 253'402'300'800, INT64_MAX, INT64_MIN}) {
    message.mutable_time()->set_seconds(seconds);
    const auto event = decoder.decode(message.SerializeAsString());
    ASSERT_FALSE(event) << seconds;
    EXPECT_NE(event.error().reason.find("Timestamp"), std::string::npos) << event.error().reason;
    EXPECT_EQ(event.error().time, Timestamp{});
  }
}

// Protobuf would make one of the two, field by field.
TEST(EventDecoder, RejectsAnEventWithTwoTimes) {
  EventUnstructured nanos;
  nanos.mutable_time()->set_nanos(7);
  EventDecoder decoder;
  const auto event = decoder.decode(login().SerializeAsString() + nanos.SerializeAsString());
  ASSERT_FALSE(event);
  EXPECT_NE(event.error().reason.find("two times"), std::string::npos) << event.error().reason;
}

TEST(UsableTime, IsADateAndATimeWithAnythingBehind) {
  for (const char* text :
       {"2026-11-23T02:58:41", "2026-11-23T02:58:41Z", "2022-09-21T18:51:04.849Z",
        "0001-01-01T00:00:00Z", "2024-02-29T23:59:60+02:00"}) {
    EXPECT_TRUE(is_usable_time(text)) << text;
  }
  for (const char* text : {"2026-11-23T02:58", "2026-11-23t02:58:41", "2026-00-23T02:58:41",
                           "2026-11-31T02:58:41", "2023-02-29T00:00:00", "2026-11-23T24:00:00",
                           "2026-11-23T02:60:41", "2026-11-23T02:58:61", "2026-1a-23T02:58:41"}) {
    EXPECT_FALSE(is_usable_time(text)) << text;
  }
}

TEST(EventDecoder, KeepsAnEventOfATypeThatNobodyKnows) {
  EventDecoder decoder;
  EventUnstructured message = login();
  message.set_type("moon.landing");
  const auto event = decoder.decode(message.SerializeAsString());
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, "moon.landing");
}

}  // namespace
}  // namespace sluice::fetcher
