// What a daemon says of itself in its page, beside the page's values.
#include "queue/daemon_note.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "queue/control_page.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

DaemonNote example() {
  DaemonNote note;
  note.pid = 812;
  note.noted_ms = 1'790'000'000'000;
  note.started_ms = 1'789'000'000'000;
  note.state_since_ms = 1'789'000'000'001;
  note.problem_ms = 1'789'500'000'000;
  note.rate_milli = {1500, 0};
  note.version = "1.0.0";
  note.state = "fetching";
  note.problem = "cannot reach Teleport";
  note.certificates = {{"identity", 1'790'000'100'000}};
  return note;
}

TEST(DaemonNote, ReadsAsItWasWritten) {
  const auto read = decode_daemon_note(encode_daemon_note(example()));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, example());
}

TEST(DaemonNote, CutsTextsThatDoNotFitAndNeverInACharacter) {
  DaemonNote note = example();
  note.problem.assign(399, 'x');
  note.problem += "€ and more";
  note.state.assign(10'000, 'y');
  for (int i = 0; i < 20; ++i) note.certificates["certificate number " + std::to_string(i)] = i;
  const std::string bytes = encode_daemon_note(note);
  EXPECT_LE(bytes.size(), 1008U);
  const auto read = decode_daemon_note(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->problem, std::string(399, 'x'));
  EXPECT_EQ(read->state, std::string(240, 'y'));
}

TEST(DaemonNote, AnotherVersionOrWhatIsCutShortIsNone) {
  std::string bytes = encode_daemon_note(example());
  EXPECT_FALSE(decode_daemon_note(bytes.substr(0, bytes.size() - 1)));
  EXPECT_FALSE(decode_daemon_note(bytes + "x"));
  bytes[0] = 9;
  EXPECT_FALSE(decode_daemon_note(bytes));
}

class NoteKeeperTest : public QueueFixture {};

TEST_F(NoteKeeperTest, WritesBesideThePagesValuesAndLeavesThoseAlone) {
  const auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 3));
  const auto values = PageReader(paths_.fetcher_page(), PageRole::kFetcher).read();
  EXPECT_FALSE(read_daemon_note(paths_.fetcher_page()));
  {
    const NoteKeeper keeper(paths_.fetcher_page(), PageRole::kFetcher);
  }
  const auto first = read_daemon_note(paths_.fetcher_page());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->pid, ::getpid());
  EXPECT_GT(first->started_ms, 0);
  {
    const NoteKeeper keeper(paths_.fetcher_page(), PageRole::kFetcher);
  }
  const auto second = read_daemon_note(paths_.fetcher_page());
  ASSERT_TRUE(second);
  EXPECT_GE(second->noted_ms, first->noted_ms);
  EXPECT_EQ(PageReader(paths_.fetcher_page(), PageRole::kFetcher).read(), values);
}

TEST_F(NoteKeeperTest, ATornNoteLeavesTheOneBeforeIt) {
  {
    const auto writer = open_writer();
  }
  {
    const NoteKeeper keeper(paths_.fetcher_page(), PageRole::kFetcher);
  }
  const auto first = read_daemon_note(paths_.fetcher_page());
  ASSERT_TRUE(first);
  {
    const NoteKeeper keeper(paths_.fetcher_page(), PageRole::kFetcher);
  }
  std::fstream page(paths_.fetcher_page(), std::ios::in | std::ios::out | std::ios::binary);
  page.seekp(2048 + 1024 + 40);
  page.write("torn", 4);
  page.close();
  EXPECT_EQ(read_daemon_note(paths_.fetcher_page()), first);
}

TEST_F(NoteKeeperTest, WithoutAPageNothingIsMade) {
  {
    const NoteKeeper keeper(paths_.fetcher_page(), PageRole::kFetcher);
  }
  EXPECT_FALSE(std::filesystem::exists(paths_.fetcher_page()));
}

TEST(RateGauge, IsOfTheLastMinuteAndBeginsAnewWhenNumbersGoBack) {
  RateGauge gauge;
  gauge.add(0, {100, 0});
  EXPECT_EQ(gauge.rate_milli(), (PerLane<std::uint64_t>{0, 0}));
  gauge.add(10'000, {150, 5});
  EXPECT_EQ(gauge.rate_milli(), (PerLane<std::uint64_t>{5000, 500}));
  gauge.add(70'000, {210, 5});
  EXPECT_EQ(gauge.rate_milli(), (PerLane<std::uint64_t>{1000, 0}));
  gauge.add(71'000, {10, 5});
  EXPECT_EQ(gauge.rate_milli(), (PerLane<std::uint64_t>{0, 0}));
}

}  // namespace
}  // namespace sluice::queue
