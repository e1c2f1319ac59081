#include "common/lifecycle.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>

#include "common/backoff.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice {
namespace {

constexpr std::chrono::hours kLongerThanAnyTest{1};

TEST(SignalStop, TheFirstSignalRequestsAStop) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const auto stop = SignalStop::start();
    ASSERT_TRUE(stop) << stop.error().message;
    const std::stop_token token = (*stop)->token();
    EXPECT_FALSE(token.stop_requested());
    ASSERT_EQ(::kill(::getpid(), signal), 0);
    EXPECT_FALSE(sleep_for(token, kLongerThanAnyTest));
  }
}

TEST(SignalStop, AStopForAnotherReasonIsSharedThroughItsSource) {
  const auto stop = SignalStop::start();
  ASSERT_TRUE(stop) << stop.error().message;
  (*stop)->source().request_stop();
  EXPECT_TRUE((*stop)->token().stop_requested());
}

TEST(SignalStop, ALostConnectionDoesNotEndTheProcess) {
  const auto stop = SignalStop::start();
  ASSERT_TRUE(stop) << stop.error().message;
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  ::close(fds[0]);
  EXPECT_EQ(::write(fds[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(fds[1]);
}

TEST(SignalStop, PutsEverythingBackAtItsEnd) {
  sigset_t before;
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, nullptr, &before), 0);
  {
    ASSERT_TRUE(SignalStop::start());
  }
  sigset_t after;
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, nullptr, &after), 0);
  EXPECT_EQ(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM));
  struct sigaction pipe_action{};
  ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &pipe_action), 0);
  EXPECT_EQ(pipe_action.sa_handler, SIG_DFL);
}

// Ends by the second signal, although a stop callback never returns.
[[noreturn]] void signal_twice(int signal) {
  const auto stop = SignalStop::start();
  const std::stop_callback hangs((*stop)->token(), [] {
    while (true) ::pause();
  });
  ::kill(::getpid(), signal);
  sleep_for((*stop)->token(), kLongerThanAnyTest);
  ::kill(::getpid(), signal);
  while (true) ::pause();
}

// Ends by the second signal, although a hangup is at work and never ends.
[[noreturn]] void signal_twice_in_a_hangup() {
  std::atomic<bool> is_at_work = false;
  const auto stop = SignalStop::start([&is_at_work] {
    is_at_work = true;
    while (true) ::pause();
  });
  ::kill(::getpid(), SIGHUP);
  while (!is_at_work) ::usleep(1000);
  ::kill(::getpid(), SIGTERM);
  sleep_for((*stop)->token(), kLongerThanAnyTest);
  ::kill(::getpid(), SIGTERM);
  while (true) ::pause();
}

class SignalStopDeathTest : public testing::Test {
 protected:
  SignalStopDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(SignalStopDeathTest, TheSecondSignalEndsAtOnceWithItsStatus) {
  EXPECT_EXIT(signal_twice(SIGTERM), testing::ExitedWithCode(143), "SIGTERM again");
  EXPECT_EXIT(signal_twice(SIGINT), testing::ExitedWithCode(130), "SIGINT again");
}

TEST_F(SignalStopDeathTest, AHangupThatHangsKeepsNoSignalFromIt) {
  EXPECT_EXIT(signal_twice_in_a_hangup(), testing::ExitedWithCode(143), "SIGTERM again");
}

class NotifyTest : public testing::Test {
 protected:
  NotifyTest() {
    const std::string path = (folder_.path() / "notify").native();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~NotifyTest() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(socket_);
  }

  std::string received() const {
    std::array<char, 256> text{};
    const ssize_t length = ::recv(socket_, text.data(), text.size(), MSG_DONTWAIT);
    return length < 0 ? "nothing" : std::string(text.data(), static_cast<std::size_t>(length));
  }

  TempFolder folder_;
  int socket_ = -1;
};

TEST_F(NotifyTest, SystemdIsToldOfTheSteps) {
  notify_ready();
  EXPECT_EQ(received(), "READY=1");
  notify_status("backlog 5,\nlag 3s");
  EXPECT_EQ(received(), "STATUS=backlog 5, lag 3s");
  notify_stopping();
  EXPECT_EQ(received(), "STOPPING=1");
}

TEST_F(NotifyTest, ASignalTellsSystemdToo) {
  auto stop = SignalStop::start();
  ASSERT_TRUE(stop) << stop.error().message;
  ::kill(::getpid(), SIGTERM);
  EXPECT_FALSE(sleep_for((*stop)->token(), kLongerThanAnyTest));
  stop->reset();  // waits for what is said behind the request
  EXPECT_EQ(received(), "STOPPING=1");
}

TEST_F(NotifyTest, AHangupIsPassedOnUntilAStop) {
  std::atomic<int> hangups = 0;
  auto stop = SignalStop::start([&hangups] { ++hangups; });
  ASSERT_TRUE(stop) << stop.error().message;
  ::kill(::getpid(), SIGHUP);
  while (hangups == 0) ::usleep(1000);
  EXPECT_FALSE((*stop)->token().stop_requested());
  (*stop)->source().request_stop();
  ::kill(::getpid(), SIGHUP);
  ::usleep(20'000);
  EXPECT_EQ(hangups, 1);
}

TEST_F(NotifyTest, ReloadingIsSaidWithItsTime) {
  notify_reloading();
  EXPECT_TRUE(received().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  notify_alive();
  EXPECT_EQ(received(), "WATCHDOG=1");
}

TEST_F(NotifyTest, NothingHappensWithoutSystemd) {
  ::unsetenv("NOTIFY_SOCKET");
  notify_ready();
  EXPECT_EQ(received(), "nothing");
}

}  // namespace
}  // namespace sluice
