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

#include "common/log_lines.h"

namespace sluice {
namespace {

using namespace std::string_view_literals;

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::SizeIs;

constexpr Timestamp kTime{1'795'402'721, 123'999'999};

constexpr MessageKind kInfo{"queue-opened", LogLevel::kInfo, "00112233445566778899aabbccddeeff",
                            ""};
constexpr MessageKind kWarn{"events-wait", LogLevel::kWarn, "10112233445566778899aabbccddeeff", ""};
constexpr MessageKind kError{"failed", LogLevel::kError, "20112233445566778899aabbccddeeff", ""};

const LogOrigin origin{"sluice-shipper", "bank"};

TEST(LogLines, HaveTimeAndLevelAsText) {
  EXPECT_EQ(format_text({kInfo, "queue opened"}, kTime),
            "2026-11-23T02:58:41.123Z info  queue opened\n");
  EXPECT_EQ(format_text({kError, "x"}, Timestamp{0, 0}), "1970-01-01T00:00:00.000Z error x\n");
}

TEST(LogLines, AreOneLineWhateverTheMessageContains) {
  EXPECT_EQ(format_text({kInfo, "a\n<0>b\r\x1b[31m\0\ttab é\x7f"sv}, kTime),
            "2026-11-23T02:58:41.123Z info  a\\n<0>b\\x0d\\x1b[31m\\x00\ttab é\\x7f\n");
}

TEST(LogLines, HaveTheFieldsAsMembersOfAJsonObject) {
  const std::string line = format_json({kWarn,
                                        "say \"no\"",
                                        {.lane = "audit",
                                         .sequence = 17,
                                         .batch = "17-516",
                                         .event_id = "9b2e",
                                         .session_id = "s-1",
                                         .cause = "c",
                                         .count = 3}},
                                       origin, kTime);
  EXPECT_THAT(line,
              testing::StartsWith(
                  R"({"time":"2026-11-23T02:58:41.123Z","level":"warn","message":"say \"no\"",)"
                  R"("program":"sluice-shipper","message_id":"10112233445566778899aabbccddeeff",)"
                  R"("kind":"events-wait","instance":"bank","lane":"audit","sequence":17,)"
                  R"("batch":"17-516","event_id":"9b2e","session_id":"s-1","cause":"c","count":3,)"
                  R"("code_file":"tests/unit/common/log_test.cc","code_line":)"));
  EXPECT_THAT(line, testing::EndsWith("}\n"));
}

TEST(LogLines, LeaveOutFieldsThatThereAreNot) {
  const std::string line = format_json({kInfo, "x"}, {"p", ""}, kTime);
  EXPECT_THAT(line, testing::Not(testing::HasSubstr("lane")));
  EXPECT_THAT(line, testing::Not(testing::HasSubstr("instance")));
}

TEST(LogLines, AreValidJsonWhateverBytesComeFromTheNetwork) {
  const std::string line = format_json({kInfo, "\xff\xfe\n"}, origin, kTime);
  EXPECT_THAT(line, testing::HasSubstr("\xEF\xBF\xBD\xEF\xBF\xBD\\\\n"));
}

TEST(JournalRecords, BeginWithTheMessageAndHaveAFieldALine) {
  const std::string record = format_journal(
      {kWarn, "a\nPRIORITY=0", {.lane = "audit", .sequence = 17, .event_id = "x\nPRIORITY=0"}},
      origin);
  EXPECT_THAT(record, testing::StartsWith("MESSAGE=a\\nPRIORITY=0\n"
                                          "PRIORITY=4\n"
                                          "SYSLOG_IDENTIFIER=sluice-shipper\n"
                                          "MESSAGE_ID=10112233445566778899aabbccddeeff\n"
                                          "SLUICE_KIND=events-wait\n"
                                          "SLUICE_INSTANCE=bank\n"
                                          "SLUICE_LANE=audit\n"
                                          "SLUICE_SEQUENCE=17\n"
                                          "SLUICE_EVENT_ID=x\\nPRIORITY=0\n"
                                          "CODE_FILE=tests/unit/common/log_test.cc\n"
                                          "CODE_LINE="));
}

TEST(JournalRecords, FitIntoADatagramWhateverTheirLength) {
  const std::string long_text(1 << 20, '\x01');
  const std::string record = format_journal({kInfo, long_text, {.event_id = long_text}}, origin);
  EXPECT_LT(record.size(), 100'000u);
}

TEST(JournalRecords, BecomeLinesWithTheirPriorityWhereTheJournalDoesNotTakeThem) {
  EXPECT_EQ(journal_fallback_line(format_journal({kWarn, "events wait"}, origin)),
            "<4>events wait\n");
  EXPECT_EQ(journal_fallback_line(format_journal({kError, ""}, origin)), "<3>\n");
}

TEST(LogFormats, AreTheJournalOnlyIfTheDescriptorIsTheJournalsStream) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  struct stat status{};
  ASSERT_EQ(::fstat(fds[1], &status), 0);
  const std::string stream = fmt::format("{}:{}", status.st_dev, status.st_ino);
  const auto settled = [&](const char* journal_stream) {
    return settle_log_format(LogFormat::kAuto, fds[1], journal_stream);
  };
  EXPECT_EQ(settled(stream.c_str()), LogFormat::kJournal);
  EXPECT_EQ(settled("1:2"), LogFormat::kText);
  EXPECT_EQ(settled(""), LogFormat::kText);
  EXPECT_EQ(settled(nullptr), LogFormat::kText);
  EXPECT_EQ(settle_log_format(LogFormat::kJson, fds[1], stream.c_str()), LogFormat::kJson);
  EXPECT_EQ(settle_log_format(LogFormat::kJournal, fds[1], nullptr), LogFormat::kJournal);
  ::close(fds[0]);
  ::close(fds[1]);
  EXPECT_EQ(settled(stream.c_str()), LogFormat::kText);
}

TEST(LogFormats, HaveNames) {
  EXPECT_EQ(log_format("auto"), LogFormat::kAuto);
  EXPECT_EQ(log_format("text"), LogFormat::kText);
  EXPECT_EQ(log_format("json"), LogFormat::kJson);
  EXPECT_EQ(log_format("journal"), LogFormat::kJournal);
  EXPECT_EQ(log_format("logfmt"), std::nullopt);
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
    log_message(kInfo, {}, "epoch {}", 9);
    log_message(kWarn, {}, "{} of {}", 1, 2);
    log_message(kError, {}, "done");
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
    log_entry({kInfo, "{} {0} %s"});
  });
  EXPECT_THAT(lines_without_time(output), ElementsAre("info  {} {0} %s"));
}

TEST_F(LogOutput, TurnsToAnotherFormatAndKeepsItsDebugLines) {
  const std::string output = captured([] {
    init_logging("test", true);
    set_log_format(LogFormat::kJson, "bank");
    log_debug("shown");
    set_log_format(LogFormat::kText, "bank");
    log_debug("as text");
  });
  EXPECT_THAT(output, testing::HasSubstr(R"("message":"shown","program":"test","kind":"debug",)"
                                         R"("instance":"bank",)"));
  EXPECT_THAT(output, testing::EndsWith("Z debug as text\n"));
}

TEST_F(LogOutput, LinesOfManyThreadsDoNotMix) {
  const std::string output = captured([] {
    init_logging("test", false);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < 100; ++n) log_message(kInfo, {}, "{}", std::string(200, 'x'));
      });
    }
  });
  EXPECT_THAT(lines_without_time(output),
              AllOf(SizeIs(400), Each("info  " + std::string(200, 'x'))));
}

}  // namespace
}  // namespace sluice
