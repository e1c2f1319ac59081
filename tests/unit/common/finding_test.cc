#include "common/finding.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "common/owned_fd.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<Finding> kFindings = {
    found_ok("config", "/etc/sluice/default.toml"),
    warning("identity", "it ends soon", "look at tbot"),
    not_looked_at("role", "not tried"),
    failure("route", {ErrorKind::kUnavailable, "no answer"}),
    failure("disk", {ErrorKind::kNoSpace, "it is full"}, "make room"),
};

TEST(Findings, AreALineEachAndOneForWhatToDo) {
  EXPECT_EQ(findings_text(kFindings, false),
            "ok    config    /etc/sluice/default.toml\n"
            "WARN  identity  it ends soon\n"
            "                do: look at tbot\n"
            "--    role      not tried\n"
            "FAIL  route     no answer\n"
            "FAIL  disk      it is full\n"
            "                do: make room\n");
}

TEST(Findings, HaveColoursOnlyWhereTheyAreWanted) {
  EXPECT_THAT(findings_text(kFindings, true), HasSubstr("\x1b[1;31mFAIL\x1b[0m  route"));
  EXPECT_THAT(findings_text(kFindings, false), Not(HasSubstr("\x1b")));
}

TEST(Findings, CannotSteerATerminalWithWhatCameFromTheNetwork) {
  EXPECT_EQ(findings_text({found_ok("a", "x\x1b[2Jy\nz")}, false), "ok    a  x?[2Jy?z\n");
}

TEST(Findings, LeadToTheStatusOfTheFirstFailure) {
  EXPECT_EQ(exit_status(kFindings), 69);
  EXPECT_EQ(exit_status(std::vector{kFindings[0], kFindings[1], kFindings[2]}), 0);
  EXPECT_EQ(exit_status(std::vector{kFindings[4], kFindings[3]}), 74);
}

TEST(Findings, ComeBackFromJson) {
  const FindingReport report{.program = "sluice-fetcher",
                             .version = "1.2.3",
                             .instance = "bank",
                             .config_file = "/etc/sluice/bank.toml",
                             .checked_at = {1'700'000'000, 0},
                             .findings = kFindings};
  const auto read = parse_report(report_json(report));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->program, report.program);
  EXPECT_EQ(read->version, report.version);
  EXPECT_EQ(read->config_file, report.config_file);
  EXPECT_EQ(read->checked_at, report.checked_at);
  EXPECT_EQ(read->findings, report.findings);
}

TEST(Findings, AreNotReadFromAnythingElse) {
  for (const char* text : {"", "x", "[]", "{}", R"({"schema":2})", R"({"schema":1,"findings":[]})",
                           R"({"schema":1,"program":1,"findings":[]})"}) {
    EXPECT_FALSE(parse_report(text)) << text;
  }
}

TEST(Colours, AreForTerminalsOfPeopleWhoHaveNotRefusedThem) {
  const OwnedFd terminal(::posix_openpt(O_RDWR | O_NOCTTY));
  if (!terminal.is_open()) GTEST_SKIP() << "there are no terminals here";
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "xterm", 1);
  EXPECT_TRUE(wants_colours(terminal.get()));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(wants_colours(terminal.get()));
  ::setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(wants_colours(terminal.get()));
  ::setenv("TERM", "dumb", 1);
  EXPECT_FALSE(wants_colours(terminal.get()));
  ::unsetenv("TERM");
  ::unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace sluice
