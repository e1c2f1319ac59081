// The status screen as a function of what was found: its essentials, on wide and on narrow
// terminals.
#include "queue/queuectl/status_screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "queue/disk_forecast.h"

namespace sluice::queue {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::int64_t kNow = 1'790'000'000;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

std::int64_t ago_ms(std::int64_t seconds) { return (kNow - seconds) * 1000; }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The line that begins so, or an empty one.
std::string line_with(const std::string& text, const std::string& begin) {
  const auto lines = lines_of(text);
  const auto found =
      std::ranges::find_if(lines, [&](const std::string& line) { return line.starts_with(begin); });
  return found == lines.end() ? "" : *found;
}

DaemonStatus running(std::int64_t since_seconds, const std::string& state) {
  DaemonStatus status;
  status.running = true;
  status.pid = 812;
  status.is_note_current = true;
  DaemonNote& note = status.note.emplace();
  note.noted_ms = ago_ms(1);
  note.started_ms = ago_ms(since_seconds);
  note.version = "1.0.0";
  note.state = state;
  return status;
}

class StatusScreenTest : public testing::Test {
 protected:
  StatusScreenTest() {
    snapshot_.taken = {kNow, 0};
    snapshot_.cluster = "bank.example.com";
    snapshot_.epoch = 9;
    snapshot_.read_up_to = ReadUpTo{.time_ms = ago_ms(12), .looked_at_ms = ago_ms(2)};
    snapshot_.fetcher = running(3 * 86'400 + 4 * 3600, "fetching");
    snapshot_.fetcher.note->certificates = {{"identity", ago_ms(-52 * 60)}};
    snapshot_.shipper = running(41 * 60, "shipping");
    LaneStatus& audit = snapshot_.lanes[Lane::kAudit];
    audit.fetched = 1'234'567;
    audit.acknowledged = 1'186'366;
    audit.backlog = 48'201;
    audit.backlog_bytes = 81U << 20;
    audit.oldest_ms = ago_ms(41 * 60);
    audit.acknowledged_ms = ago_ms(2);
    audit.in_per_second = 120;
    audit.out_per_second = 1'200;
    snapshot_.lanes[Lane::kSession].in_per_second = 0;
    snapshot_.lanes[Lane::kSession].out_per_second = 0;
    snapshot_.disk = {.used = 17 * kGiB,
                      .space = {.size = 86 * kGiB, .free = 61 * kGiB},
                      .bytes_a_day = 2 * kGiB};
    context_.instance = "default";
    context_.duplicates_bound = 4000;
  }
  std::string screen(std::size_t columns = 80, std::size_t rows = 0) const {
    return status_screen(snapshot_, context_,
                         {.columns = columns, .rows = rows, .is_utf8 = true, .has_colors = false});
  }

  Snapshot snapshot_;
  StatusContext context_;
};

TEST_F(StatusScreenTest, SaysAllThatMattersWithin80By24) {
  const std::string text = screen(80, 24);
  EXPECT_LE(lines_of(text).size(), 24U);
  for (const std::string& line : lines_of(text)) EXPECT_LE(width_of(line), 80U) << line;
  EXPECT_THAT(text,
              StartsWith("sluice default  ·  bank.example.com  ·  queue 0000-0000  ·  epoch 9"));
  EXPECT_EQ(line_with(text, "● fetcher"), "● fetcher 1.0.0  up 3d 4h  fetching");
  EXPECT_EQ(line_with(text, "● shipper"), "● shipper 1.0.0  up 41m  shipping");
  EXPECT_THAT(text, HasSubstr("Teleport read completely up to 12s ago, asked 2s ago\n"));
  EXPECT_THAT(text, HasSubstr("ends: identity in 52m\n"));
  EXPECT_EQ(line_with(text, "lane"),
            "lane         backlog   oldest     in/s    out/s  drained in      size   last ack");
  EXPECT_EQ(line_with(text, "audit"),
            "audit         48,201      41m      120    1,200         44s  81.0 MiB     2s ago");
  EXPECT_EQ(line_with(text, "session"),
            "session            0        -        0        0           -         -          -");
  EXPECT_THAT(line_with(text, "disk"), HasSubstr("17.0 GiB of 43.0 GiB, 61.0 GiB free"));
  EXPECT_THAT(text, HasSubstr("a crash repeats at most 4,000 events"));
}

TEST_F(StatusScreenTest, LeavesColumnsAndUnimportantLinesOutOnASmallTerminal) {
  snapshot_.shipper.running = false;
  const std::string text = screen(40, 8);
  EXPECT_LE(lines_of(text).size(), 8U);
  for (const std::string& line : lines_of(text)) EXPECT_LE(width_of(line), 40U) << line;
  EXPECT_EQ(line_with(text, "audit"), "audit         48,201      41m      120");
  EXPECT_THAT(text, AllOf(HasSubstr("○ shipper not running"), HasSubstr("disk"),
                          Not(HasSubstr("a crash repeats"))));
}

TEST_F(StatusScreenTest, SaysWhenABacklogDoesNotShrink) {
  snapshot_.lanes[Lane::kAudit].out_per_second = 100;
  EXPECT_THAT(line_with(screen(), "audit"), HasSubstr(" grows "));
  snapshot_.lanes[Lane::kAudit].out_per_second = 0;
  EXPECT_THAT(line_with(screen(), "audit"), HasSubstr(" stands "));
}

TEST_F(StatusScreenTest, ShowsTroubleAndWhatADaemonWaitsFor) {
  snapshot_.shipper.note->state = "lane audit: events wait: connection refused";
  snapshot_.shipper.note->problem = "lane audit: events wait: connection refused\x1b[2J";
  snapshot_.shipper.note->problem_ms = ago_ms(120);
  const std::string text = screen(120);
  EXPECT_THAT(text, HasSubstr("up 41m  lane audit: events wait: connection refused\n"));
  EXPECT_THAT(text,
              HasSubstr("last trouble 2m ago: lane audit: events wait: connection refused?[2J\n"));
}

// A queue that keeps delivered events up to its limit is full all the time, and has room.
TEST_F(StatusScreenTest, DeliveredEventsAreRoom) {
  snapshot_.disk.used = 40 * kGiB;
  EXPECT_THAT(line_with(screen(120), "disk"), HasSubstr("full in 1d"));
  snapshot_.disk.trimmable = 38 * kGiB;
  EXPECT_THAT(line_with(screen(120), "disk"), HasSubstr("full in 20d"));
}

TEST(DiskForecast, KnowsWhatIsDeliveredAndKept) {
  PerLane<Seq> durable;
  PerLane<Seq> floor;
  PerLane<Seq> position;
  durable[Lane::kAudit] = 100;
  floor[Lane::kAudit] = 21;
  floor[Lane::kSession] = 1;
  position[Lane::kAudit] = 60;
  EXPECT_EQ(trimmable_bytes(800, durable, floor, position), 400U);
  position[Lane::kAudit] = 10;
  EXPECT_EQ(trimmable_bytes(800, durable, floor, position), 0U);
  position[Lane::kAudit] = 200;
  EXPECT_EQ(trimmable_bytes(800, durable, floor, position), 800U);
  floor[Lane::kAudit] = 101;
  EXPECT_EQ(trimmable_bytes(800, durable, floor, position), 0U);
}

TEST_F(StatusScreenTest, TellsASilentDaemonFromOneThatRuns) {
  snapshot_.fetcher.is_note_current = false;
  snapshot_.fetcher.note->noted_ms = ago_ms(300);
  EXPECT_EQ(line_with(screen(), "● fetcher"), "● fetcher running (process 812); silent for 5m");
}

TEST_F(StatusScreenTest, SaysWhatMustNeverBe) {
  snapshot_.lanes[Lane::kAudit].unaccounted = 3;
  snapshot_.lanes[Lane::kSession].damage = "record 7 is damaged";
  const std::string text = screen(80, 12);
  EXPECT_THAT(text, HasSubstr("UNACCOUNTED 3: "));
  EXPECT_THAT(text, HasSubstr("DAMAGE in lane session: record 7 is damaged"));
}

TEST_F(StatusScreenTest, ACertificateThatEndsSoonStaysOnASmallScreen) {
  snapshot_.shipper.note->certificates = {{"client", ago_ms(-3 * 86'400)}, {"server", ago_ms(5)}};
  EXPECT_THAT(screen(80, 10), HasSubstr("ends: client in 3d, server EXPIRED\n"));
}

TEST_F(StatusScreenTest, IsAsciiWhereTheTerminalIs) {
  snapshot_.cluster = "bänk";
  const std::string text = status_screen(
      snapshot_, context_, {.columns = 80, .rows = 0, .is_utf8 = false, .has_colors = false});
  EXPECT_THAT(text, AllOf(HasSubstr("* fetcher"), HasSubstr("b?nk"), HasSubstr("[######")));
  EXPECT_TRUE(
      std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

TEST_F(StatusScreenTest, ColoursAreOnlyThereWhereTheyAreWanted) {
  EXPECT_THAT(screen(), Not(HasSubstr("\x1b")));
  const std::string text = status_screen(
      snapshot_, context_, {.columns = 80, .rows = 0, .is_utf8 = true, .has_colors = true});
  EXPECT_THAT(text, HasSubstr("\x1b[32m● \x1b[0m"));
}

TEST_F(StatusScreenTest, FillsTheRowsThatAreLeftWithGraphsOfWhatWasSeen) {
  StatusHistory history;
  for (int i = 0; i < 5; ++i) {
    history.add(snapshot_);
    snapshot_.taken.seconds += 1;
    snapshot_.lanes[Lane::kAudit].fetched += 10;
    snapshot_.lanes[Lane::kAudit].backlog -= 100;
  }
  EXPECT_THAT(history.lane(Lane::kAudit).in, ElementsAre(10, 10, 10, 10));
  EXPECT_THAT(history.lane(Lane::kAudit).out, ElementsAre(110, 110, 110, 110));
  const ScreenStyle style{.columns = 80, .rows = 24, .is_utf8 = true, .has_colors = false};
  const std::string text = status_screen(snapshot_, context_, style, &history);
  EXPECT_LE(lines_of(text).size(), 24U);
  EXPECT_THAT(line_with(text, "audit out/s"), AllOf(HasSubstr(" ████"), HasSubstr(" 110")));
  EXPECT_THAT(line_with(text, "audit backlog"), HasSubstr("47,801"));
  EXPECT_NE(line_with(text, "session backlog"), "");
  const ScreenStyle low{.columns = 80, .rows = 12, .is_utf8 = true, .has_colors = false};
  EXPECT_LE(lines_of(status_screen(snapshot_, context_, low, &history)).size(), 12U);
}

TEST(Sparkline, ShowsTheNewestToTheRightAndEverythingAboveNothing) {
  EXPECT_EQ(sparkline({0, 1, 4, 8}, 6, true), "   ▁▄█");
  EXPECT_EQ(sparkline({9, 9, 0, 8}, 2, false), " @");
  EXPECT_EQ(sparkline({0.001, 1000}, 2, true), "▁█");
  EXPECT_EQ(sparkline({}, 3, true), "   ");
}

TEST(ScreenLine, IsCutAtTheLastColumnAndSaysSo) {
  const ScreenStyle style{.columns = 5, .rows = 0, .is_utf8 = true, .has_colors = false};
  EXPECT_EQ(ScreenLine("äöüxy").text(style), "äöüxy\n");
  EXPECT_EQ(ScreenLine("äöüxyz").text(style), "äöüx…\n");
}

}  // namespace
}  // namespace sluice::queue
