#include "common/lifecycle.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "common/log.h"
#include "common/message_kinds.h"
#include "common/owned_fd.h"

namespace sluice {
namespace {

constexpr int kStatusOfSignal = 128;

sigset_t awaited_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGHUP);
  return set;
}

std::string_view signal_name(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

void notify(const std::string& state) {
  const int result = ::sd_notify(0, state.c_str());
  if (result < 0) {
    log_debug("cannot tell systemd {}: {}", state, std::generic_category().message(-result));
  }
}

}  // namespace

// Everything that start() changes, so that a failure in the middle is undone as well.
class SignalStop::Watch {
 public:
  explicit Watch(std::function<void()> on_hangup) : on_hangup_(std::move(on_hangup)) {
    const sigset_t signals = awaited_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, &old_mask_);
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &old_pipe_);
    signals_ = OwnedFd(::signalfd(-1, &signals, SFD_CLOEXEC));
    end_ = OwnedFd(::eventfd(0, EFD_CLOEXEC));
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    // While thread_ still takes a second signal.
    hangups_ = {};
    if (thread_.joinable()) {
      const std::uint64_t one = 1;
      while (::write(end_.get(), &one, sizeof one) < 0 && errno == EINTR) {
      }
      thread_.join();
    }
    if (stopper_.joinable()) stopper_.join();
    ::sigaction(SIGPIPE, &old_pipe_, nullptr);
    ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
  }

  Result<void> start() {
    if (!signals_.is_open() || !end_.is_open()) return fail(errno_error("wait for", "signals"));
    if (on_hangup_) {
      hangups_ = std::jthread([this](const std::stop_token& stop) { run_hangups(stop); });
    }
    thread_ = std::thread([this] { run(); });
    return {};
  }

  const std::stop_source& source() const { return source_; }

 private:
  void run() {
    std::array<pollfd, 2> fds = {pollfd{signals_.get(), POLLIN, 0}, pollfd{end_.get(), POLLIN, 0}};
    bool stopping = false;
    while (true) {
      if (::poll(fds.data(), fds.size(), -1) < 0) continue;
      if ((fds[1].revents & POLLIN) != 0) return;
      signalfd_siginfo info{};
      if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
      if (info.ssi_signo == SIGHUP) {
        hang_up();
        continue;
      }
      take(static_cast<int>(info.ssi_signo), stopping);
      stopping = true;
    }
  }

  void hang_up() {
    const std::lock_guard lock(hangup_mutex_);
    hangup_is_due_ = true;
    hangup_came_.notify_one();
  }

  // Not in the thread that waits for signals: what it takes must not keep a signal to stop from us.
  // However many come while one is at work, one more is enough.
  void run_hangups(const std::stop_token& stop) {
    std::unique_lock lock(hangup_mutex_);
    while (hangup_came_.wait(lock, stop, [this] { return hangup_is_due_; })) {
      hangup_is_due_ = false;
      lock.unlock();
      if (!source_.stop_requested()) on_hangup_();
      lock.lock();
    }
  }

  void take(int signal, bool stopping) {
    if (stopping) {
      log_message(message::kEndingAtOnce, {}, "{} again: ending at once", signal_name(signal));
      ::_exit(kStatusOfSignal + signal);
    }
    log_message(message::kStopping, {}, "{}: stopping; a second signal ends at once",
                signal_name(signal));
    // Not in this thread: a stop callback that hangs must not keep the second signal from us, nor
    // may a systemd that does not listen.
    stopper_ = std::thread([this] {
      source_.request_stop();
      notify_stopping();
    });
  }

  const std::function<void()> on_hangup_;
  std::mutex hangup_mutex_;
  std::condition_variable_any hangup_came_;
  bool hangup_is_due_ = false;
  sigset_t old_mask_{};
  struct sigaction old_pipe_{};
  OwnedFd signals_;
  OwnedFd end_;
  std::stop_source source_;
  std::thread thread_;
  std::thread stopper_;  // made by thread_, joined after it
  std::jthread hangups_;
};

SignalStop::SignalStop(std::unique_ptr<Watch> watch) : watch_(std::move(watch)) {}

SignalStop::~SignalStop() = default;

Result<std::unique_ptr<SignalStop>> SignalStop::start(std::function<void()> on_hangup) {
  auto watch = std::make_unique<Watch>(std::move(on_hangup));
  SLUICE_TRY(watch->start());
  return std::unique_ptr<SignalStop>(new SignalStop(std::move(watch)));
}

std::stop_source SignalStop::source() const { return watch_->source(); }

std::stop_token SignalStop::token() const { return watch_->source().get_token(); }

void notify_ready() { notify("READY=1"); }

void notify_status(std::string_view text) {
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  notify("STATUS=" + line);
}

void notify_stopping() { notify("STOPPING=1"); }

void notify_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t now_us = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
  notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now_us));
}

void notify_alive() { notify("WATCHDOG=1"); }

}  // namespace sluice
