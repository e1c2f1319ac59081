#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shipper/monitor/plugins.h"

namespace sluice::shipper {
namespace {

using ::testing::HasSubstr;

// As Fluentd 1.19 answers, with what 1.14 has besides.
constexpr std::string_view kAnswer = R"({"plugins":[
  {"plugin_id":"object:67c","plugin_category":"input","type":"http",
   "config":{"@type":"http","port":"8888"},"output_plugin":false,"retry_count":null,
   "emit_records":5,"emit_size":0},
  {"plugin_id":"object:690","plugin_category":"input","type":"monitor_agent",
   "output_plugin":false,"retry_count":null,"emit_records":0,"emit_size":0},
  {"plugin_id":"out","plugin_category":"output","type":"file","output_plugin":true,
   "buffer_queue_length":0,"buffer_timekeys":[],"buffer_total_queued_size":129,"retry_count":2,
   "emit_records":3,"emit_size":0,"emit_count":2,"write_count":1,"rollback_count":0,
   "drop_oldest_chunk_count":0,"buffer_available_buffer_space_ratios":99.8,
   "retry":{"start":"2026-01-01 00:00:00 +0000","steps":2}}]})";

TEST(MonitorPlugins, AreReadFromAnAnswerOfFluentd) {
  const auto plugins = parse_plugins(kAnswer);
  ASSERT_TRUE(plugins.has_value()) << plugins.error().message;
  ASSERT_EQ(plugins->size(), 3U);
  const Plugin& input = plugins->front();
  EXPECT_TRUE(input.is_input);
  EXPECT_EQ(input.id, "object:67c");
  EXPECT_EQ(input.emit_records, 5U);
  EXPECT_FALSE(input.buffer_space.has_value());
  EXPECT_FALSE(input.counters.contains("retry_count"));
  const Plugin& output = plugins->back();
  EXPECT_FALSE(output.is_input);
  EXPECT_DOUBLE_EQ(output.buffer_space.value_or(0), 99.8);
  EXPECT_EQ(output.counters.at("retry_count"), 2U);
}

TEST(MonitorPlugins, OfAnOldFluentdHaveNoCountOfWhatAnInputEmitted) {
  const auto plugins = parse_plugins(
      R"({"plugins":[{"plugin_id":"a","plugin_category":"input","type":"http","retry_count":null}]})");
  ASSERT_TRUE(plugins.has_value());
  EXPECT_FALSE(plugins->front().emit_records.has_value());
}

TEST(MonitorPlugins, AnAnswerOfSomethingElseIsRefused) {
  for (const char* answer :
       {"", "<html>", "[]", "{}", R"({"plugins":{}})", R"({"plugins":[1]})", R"({"plugins":[)"}) {
    const auto plugins = parse_plugins(answer);
    ASSERT_FALSE(plugins.has_value()) << answer;
    EXPECT_EQ(plugins.error().kind, ErrorKind::kRejected);
  }
  EXPECT_THAT(parse_plugins(std::string(kMonitorAnswerBytesMax + 1, ' ')).error().message,
              HasSubstr("too long"));
}

TEST(MonitorPlugins, NamesAreFitForALogLine) {
  const auto plugins = parse_plugins(R"({"plugins":[{"plugin_id":"a\nb","type":")" +
                                     std::string(5000, 'x') + R"("}]})");
  ASSERT_TRUE(plugins.has_value());
  EXPECT_EQ(plugins->front().id, "a?b");
  EXPECT_EQ(plugins->front().type.size(), 256U);
}

TEST(MonitorPlugins, TheProcessIsKnownByItsId) {
  EXPECT_EQ(parse_process_id(R"({"pid":20924,"ppid":20728,"version":"1.19.3"})"), 20924U);
  for (const char* answer : {"", "{}", R"({"pid":-1})", R"({"pid":"1"})", "[1]"}) {
    EXPECT_FALSE(parse_process_id(answer).has_value()) << answer;
  }
}

TEST(MonitorPlugins, OurInputIsTheOnlyOneOfItsTypeOrThoseCountThatAreNamed) {
  auto plugins = *parse_plugins(kAnswer);
  EXPECT_EQ(find_counting(plugins, {}, "http")->front()->id, "object:67c");
  EXPECT_THAT(find_counting(plugins, {}, "forward").error().message,
              HasSubstr("no input of type forward"));
  EXPECT_THAT(find_counting(plugins, {"out", "none"}, "http").error().message,
              HasSubstr("no plugin with the @id none"));
  plugins.push_back({.id = "second", .type = "http", .is_input = true});
  EXPECT_THAT(find_counting(plugins, {}, "http").error().message, HasSubstr("several inputs"));
  const auto named = find_counting(plugins, {"second", "out"}, "http");
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ(named->at(0)->id, "second");
  EXPECT_EQ(named->at(1)->id, "out");
  EXPECT_EQ(emitted_by_outputs(plugins), 3U);
}

}  // namespace
}  // namespace sluice::shipper
