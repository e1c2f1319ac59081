#include "common/journal_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "common/log_lines.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr MessageKind kKind{"k", LogLevel::kInfo, "", ""};

std::string record(std::string_view message) { return format_journal({kKind, message}, {"p", ""}); }

// A journald whose socket takes as much as the kernel lets it until somebody reads.
class Journald {
 public:
  explicit Journald(const std::string& path)
      : path_(path), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(path, static_cast<char*>(address.sun_path));
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Journald() { ::unlink(path_.c_str()); }

  // The messages that have come since the last call.
  std::vector<std::string> messages() {
    std::vector<std::string> all;
    std::string buffer(1 << 17, '\0');
    for (ssize_t size = 0; (size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0)) > 0;) {
      const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
      all.emplace_back(text.substr(8, text.find('\n') - 8));
    }
    return all;
  }

 private:
  std::string path_;
  OwnedFd fd_;
};

class JournalSinkTest : public testing::Test {
 protected:
  JournalSinkTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    stderr_reader_ = OwnedFd(ends[0]);
    stderr_ = OwnedFd(ends[1]);
    ::fcntl(stderr_reader_.get(), F_SETFL, O_NONBLOCK);
  }
  ~JournalSinkTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/socket"; }

  JournalSinkOptions options() {
    return {
        .socket = path(),
        .fallback_fd = stderr_.get(),
        .patience = milliseconds(20),
        .lost_record = [](std::uint64_t count) { return record(fmt::format("{} lost", count)); }};
  }

  // What came to stderr since the last call.
  std::string on_stderr() {
    std::string all;
    std::array<char, 65536> buffer{};
    for (ssize_t size = 0;
         (size = ::read(stderr_reader_.get(), buffer.data(), buffer.size())) > 0;) {
      all.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return all;
  }

  // Writes until nothing more is taken by anybody; how many were written.
  static int fill(JournalSink* sink, const std::string& message) {
    constexpr int kEnough = 20'000;
    for (int i = 0; i < kEnough; ++i) sink->write(record(message));
    return kEnough;
  }

  std::string folder_;
  OwnedFd stderr_reader_;
  OwnedFd stderr_;
};

TEST_F(JournalSinkTest, HandsRecordsToTheJournal) {
  Journald journald(path());
  JournalSink sink(options());
  sink.write(record("a"));
  sink.write(record("b"));
  EXPECT_THAT(journald.messages(), ElementsAre("a", "b"));
  EXPECT_THAT(on_stderr(), IsEmpty());
}

TEST_F(JournalSinkTest, WithoutAJournalALineGoesToStderr) {
  JournalSink sink(options());
  sink.write(record("a"));
  EXPECT_EQ(on_stderr(), "<6>a\n");
}

TEST_F(JournalSinkTest, AJournalThatWasStartedAnewIsFoundAgain) {
  JournalSink sink(options());
  {
    Journald journald(path());
    sink.write(record("a"));
    EXPECT_THAT(journald.messages(), ElementsAre("a"));
  }
  sink.write(record("b"));
  Journald journald(path());
  sink.write(record("c"));
  EXPECT_THAT(journald.messages(), ElementsAre("c"));
  EXPECT_EQ(on_stderr(), "<6>b\n");
}

TEST_F(JournalSinkTest, AJournalThatHangsIsWaitedForOnceAndThenStderrIsUsed) {
  Journald journald(path());
  auto slow = options();
  slow.patience = milliseconds(200);
  JournalSink sink(slow);
  // As many as it may take: ten or some hundreds, as the kernel is set.
  std::size_t taken = 0;
  while (on_stderr().empty()) {
    ASSERT_LT(taken, 5'000u);
    sink.write(record("x"));
    ++taken;
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) sink.write(record("y"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(100 * 200 / 2));
  EXPECT_THAT(on_stderr(), StartsWith("<6>y\n<6>y\n"));
  EXPECT_EQ(journald.messages().size(), taken - 1);
  sink.write(record("z"));
  EXPECT_THAT(journald.messages(), ElementsAre("z"));
}

TEST_F(JournalSinkTest, WhatNobodyTakesIsLostAndTheNumberIsTold) {
  Journald journald(path());
  JournalSink sink(options());
  fill(&sink, "x");
  const std::size_t in_journal = journald.messages().size();
  const std::string lines = on_stderr();
  const auto on_stderr_count = std::ranges::count(lines, '\n');
  EXPECT_THAT(lines, testing::EndsWith("<6>x\n"));
  sink.write(record("again"));
  const auto lost = 20'000 - static_cast<long>(in_journal) - on_stderr_count;
  EXPECT_GT(lost, 0);
  EXPECT_THAT(journald.messages(), ElementsAre("again", fmt::format("{} lost", lost)));
  sink.write(record("more"));
  EXPECT_THAT(journald.messages(), ElementsAre("more")) << "it is told once";
}

TEST_F(JournalSinkTest, LinesOnStderrStayWholeWhenItTakesOnlyAPart) {
  JournalSink sink(options());  // without a journal
  const std::string message(3'000, 'x');
  fill(&sink, message);
  std::string all = on_stderr();
  sink.write(record("end"));
  all += on_stderr();
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = all.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = all.substr(begin, end - begin);
    const bool is_whole = line == "<6>" + message || line == "<6>end" || line.ends_with(" lost");
    ASSERT_TRUE(is_whole) << line;
  }
  EXPECT_THAT(all, HasSubstr("<6>end\n"));
}

TEST_F(JournalSinkTest, AStderrThatIsASocketIsNotWaitedForEither) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const OwnedFd reader(ends[0]);
  const OwnedFd writer(ends[1]);
  auto with_socket = options();
  with_socket.fallback_fd = writer.get();
  JournalSink sink(with_socket);
  fill(&sink, "x");
  std::array<char, 4> first{};
  ASSERT_EQ(::read(reader.get(), first.data(), first.size()), 4);
  EXPECT_EQ(std::string(first.data(), 4), "<6>x");
}

}  // namespace
}  // namespace sluice
