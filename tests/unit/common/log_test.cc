#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice {
namespace {

using namespace std::string_view_literals;

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::SizeIs;

constexpr Timestamp kTime{1'795'402'721, 123'999'999};

TEST(LogLines, HaveTimeAndLevelInTheTextStyle) {
  EXPECT_EQ(format_log_line(LogStyle::kText, LogLevel::kInfo, kTime, "queue opened"),
            "2026-11-23T02:58:41.123Z info  queue opened\n");
  EXPECT_EQ(format_log_line(LogStyle::kText, LogLevel::kError, Timestamp{0, 0}, "x"),
            "1970-01-01T00:00:00.000Z error x\n");
}

TEST(LogLines, HaveThePriorityAndNoTimeInTheJournal) {
  EXPECT_EQ(format_log_line(LogStyle::kJournal, LogLevel::kDebug, kTime, "x"), "<7>x\n");
  EXPECT_EQ(format_log_line(LogStyle::kJournal, LogLevel::kInfo, kTime, "x"), "<6>x\n");
  EXPECT_EQ(format_log_line(LogStyle::kJournal, LogLevel::kWarn, kTime, "x"), "<4>x\n");
  EXPECT_EQ(format_log_line(LogStyle::kJournal, LogLevel::kError, kTime, "x"), "<3>x\n");
}

TEST(LogLines, AreOneLineWhateverTheMessageContains) {
  EXPECT_EQ(format_log_line(LogStyle::kJournal, LogLevel::kInfo, kTime,
                            "a\n<0>b\r\x1b[31m\0\ttab é\x7f"sv),
            "<6>a\\n<0>b\\x0d\\x1b[31m\\x00\ttab é\\x7f\n");
}

TEST(LogStyles, AreTheJournalsOnlyIfTheDescriptorIsTheJournalsStream) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  struct stat status{};
  ASSERT_EQ(::fstat(fds[1], &status), 0);
  const std::string stream = fmt::format("{}:{}", status.st_dev, status.st_ino);
  EXPECT_EQ(choose_log_style(fds[1], stream.c_str()), LogStyle::kJournal);
  EXPECT_EQ(choose_log_style(fds[1], "1:2"), LogStyle::kText);
  EXPECT_EQ(choose_log_style(fds[1], ""), LogStyle::kText);
  EXPECT_EQ(choose_log_style(fds[1], nullptr), LogStyle::kText);
  ::close(fds[0]);
  ::close(fds[1]);
  EXPECT_EQ(choose_log_style(fds[1], stream.c_str()), LogStyle::kText);
}

// Checks that each line begins with a time and cuts it.
std::vector<std::string> lines_without_time(const std::string& output) {
  constexpr std::size_t kTimeLength = std::string_view("2026-11-23T02:58:41.123Z").size();
  std::vector<std::string> lines;
  std::istringstream input(output);
  for (std::string line; std::getline(input, line);) {
    EXPECT_TRUE(parse_rfc3339(line.substr(0, kTimeLength))) << line;
    EXPECT_EQ(line.substr(kTimeLength, 1), " ") << line;
    lines.push_back(line.substr(kTimeLength + 1));
  }
  return lines;
}

class LogOutput : public testing::Test {
 protected:
  LogOutput() { ::unsetenv("JOURNAL_STREAM"); }

  // What `write` puts on stderr.
  template <typename Write>
  static std::string captured(const Write& write) {
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogOutput, GoesToStderrWithoutDebugLines) {
  const std::string output = captured([] {
    init_logging("test", false);
    log_debug("not {}", "shown");
    log_info("epoch {}", 9);
    log_warn("{} of {}", 1, 2);
    log_error("done");
  });
  EXPECT_THAT(lines_without_time(output),
              ElementsAre("info  epoch 9", "warn  1 of 2", "error done"));
}

TEST_F(LogOutput, HasDebugLinesWhenAskedFor) {
  const std::string output = captured([] {
    init_logging("test", true);
    log_debug("{} shown", "is");
  });
  EXPECT_THAT(lines_without_time(output), ElementsAre("debug is shown"));
}

TEST_F(LogOutput, GetsDebugLinesLaterThanItBegan) {
  const std::string output = captured([] {
    init_logging("test", false);
    log_debug("not shown");
    show_debug_lines();
    log_debug("shown");
  });
  EXPECT_THAT(lines_without_time(output), ElementsAre("debug shown"));
}

TEST_F(LogOutput, TextWithBracesIsLoggedAsItIs) {
  const std::string output = captured([] {
    init_logging("test", false);
    log_line(LogLevel::kInfo, "{} {0} %s");
  });
  EXPECT_THAT(lines_without_time(output), ElementsAre("info  {} {0} %s"));
}

TEST_F(LogOutput, LinesOfManyThreadsDoNotMix) {
  const std::string output = captured([] {
    init_logging("test", false);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < 100; ++n) log_info("{}", std::string(200, 'x'));
      });
    }
  });
  EXPECT_THAT(lines_without_time(output),
              AllOf(SizeIs(400), Each("info  " + std::string(200, 'x'))));
}

}  // namespace
}  // namespace sluice
