#include "fetcher/position.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "queue/control_page.h"
#include "queue/writer.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice::fetcher {
namespace {

using queue::Lane;
using ::testing::HasSubstr;

constexpr Timestamp kNow{1'795'402'721, 0};  // 2026-11-23T02:58:41Z

class PositionTest : public ::testing::Test {
 protected:
  std::unique_ptr<queue::Writer> open() const {
    queue::WriterOptions options;
    options.paths = paths_;
    auto opened = queue::Writer::open(options);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  static void add(queue::Writer* writer, Lane lane, const std::string& id, Timestamp time,
                  std::optional<Timestamp> read_up_to = std::nullopt) {
    queue::Append append;
    append.add(lane, queue::RecordView{.kind = queue::RecordKind::kEvent,
                                       .epoch = 0,
                                       .fetched_at_ms = 0,
                                       .time = time,
                                       .id = id,
                                       .type = "t",
                                       .route = {},
                                       .note = {},
                                       .body = "{}"});
    if (read_up_to) {
      append.set_read_up_to(
          {.time_ms = to_unix_ms(*read_up_to) + 999, .looked_at_ms = to_unix_ms(kNow)});
    }
    ASSERT_TRUE(writer->append(append));
  }

  TempFolder folder_;
  const queue::InstancePaths paths_{folder_.path()};
};

TEST_F(PositionTest, IsUpToWhereTeleportWasReadCompletelyAlsoWhileTheFetcherRuns) {
  auto writer = open();
  add(writer.get(), Lane::kAudit, "a", add_seconds(kNow, -86'400));
  add(writer.get(), Lane::kAudit, "b", add_seconds(kNow, -100));
  add(writer.get(), Lane::kSession, "c", kNow, add_seconds(kNow, -60));
  for (const bool runs : {true, false}) {
    if (!runs) writer.reset();
    const auto position = read_position(paths_);
    ASSERT_TRUE(position) << position.error().message;
    EXPECT_EQ(position->start_time, add_seconds(kNow, -60));
    EXPECT_EQ(position->queued_since[Lane::kAudit], 1U);
    EXPECT_EQ(position->queued_since[Lane::kSession], 1U);
    EXPECT_FALSE(position->backlog);
    EXPECT_THAT(describe(*position), HasSubstr("--start-time=2026-11-23T02:57:41Z\n"));
    EXPECT_THAT(describe(*position), HasSubstr("In the queue from 2026-11-23 on: 1 audit events"));
    EXPECT_THAT(describe(*position), HasSubstr("No shipper has said how far it is"));
  }
}

TEST_F(PositionTest, SaysWhatFluentdDoesNotHaveYet) {
  const auto writer = open();
  add(writer.get(), Lane::kAudit, "a", kNow);
  add(writer.get(), Lane::kAudit, "b", kNow, kNow);
  std::filesystem::create_directory(paths_.shipper());
  auto page = queue::PageWriter::open(paths_.shipper_page(), queue::PageRole::kShipper);
  ASSERT_TRUE(page) << page.error().message;
  queue::ShipperPage values;
  values.queue_id = writer->queue_id();
  values.position = {1, 0};
  page->publish(queue::encode_page(values));
  const auto position = read_position(paths_);
  ASSERT_TRUE(position) << position.error().message;
  ASSERT_TRUE(position->backlog);
  EXPECT_EQ((*position->backlog)[Lane::kAudit], 1U);
  EXPECT_THAT(describe(*position), HasSubstr("Not in Fluentd yet: 1 audit events, 0 of"));
  const auto json = nlohmann::json::parse(to_json(*position));
  EXPECT_EQ(json["start_time"], "2026-11-23T02:58:41Z");
  EXPECT_EQ(json["backlog"]["audit"], 1);
  EXPECT_EQ(json["queued_since_day"]["audit"], 2);
}

TEST_F(PositionTest, IsNotGuessedBeforeAnythingWasReadCompletely) {
  EXPECT_EQ(read_position(paths_).error().kind, ErrorKind::kNotFound);
  const auto writer = open();
  add(writer.get(), Lane::kAudit, "a", kNow);
  const auto position = read_position(paths_);
  ASSERT_FALSE(position);
  EXPECT_EQ(position.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(position.error().message, HasSubstr("does not say yet"));
}

}  // namespace
}  // namespace sluice::fetcher
