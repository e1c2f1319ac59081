#include "tests/bench/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

namespace sluice::bench {
namespace {

// A message is lines "NAME NUMBER…" and ends with one of these two.
constexpr std::string_view kEnd = ".\n";
constexpr std::string_view kFailed = "! ";

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written <= 0) ::_exit(1);  // the parent is gone
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// The number behind `name` in a file of /proc.
double number_in(const char* path, std::string_view name) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    double value = 0;
    if (word == name && file >> value) return value;
  }
  return 0;
}

[[noreturn]] void run_work(const Child::Work& work, int in, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto done = work(Parent(in, out));
  if (!done) write_all(out, fmt::format("{}{}\n", kFailed, done.error().message));
  ::_exit(done ? 0 : 1);
}

}  // namespace

void Parent::send(const Values& values) const {
  std::string message;
  for (const auto& [name, numbers] : values) {
    message += name;
    for (const double number : numbers) message += fmt::format(" {}", number);
    message += '\n';
  }
  write_all(out_, message.append(kEnd));
}

void Parent::wait() const {
  char byte = 0;
  if (::read(in_, &byte, 1) != 1) ::_exit(1);
}

bool Parent::says_go_on() const {
  pollfd line{in_, POLLIN, 0};
  return ::poll(&line, 1, 0) == 1;
}

Result<Child> Child::start(std::string name, const Work& work) {
  std::array<int, 2> up{};
  std::array<int, 2> down{};
  if (::pipe2(up.data(), O_CLOEXEC) != 0 || ::pipe2(down.data(), O_CLOEXEC) != 0) {
    return fail(errno_error("make a pipe to", name));
  }
  const pid_t pid = ::fork();
  if (pid < 0) return fail(errno_error("start", name));
  if (pid == 0) {
    ::close(up[0]);
    ::close(down[1]);
    run_work(work, down[0], up[1]);
  }
  ::close(up[1]);
  ::close(down[0]);
  return Child(std::move(name), pid, up[0], down[1]);
}

Child::Child(Child&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, -1)),
      in_(std::exchange(other.in_, -1)),
      out_(std::exchange(other.out_, -1)),
      unread_(std::move(other.unread_)) {}

Child::~Child() {
  kill();
  if (in_ >= 0) ::close(in_);
  if (out_ >= 0) ::close(out_);
}

Result<Values> Child::receive() {
  Values values;
  for (;;) {
    if (const auto end = unread_.find('\n'); end != std::string::npos) {
      const std::string line = unread_.substr(0, end + 1);
      unread_.erase(0, end + 1);
      if (line == kEnd) return values;
      if (line.starts_with(kFailed)) {
        return fail(ErrorKind::kIo, fmt::format("{}: {}", name_, line.substr(2, line.size() - 3)));
      }
      std::istringstream words(line);
      std::string key;
      words >> key;
      std::vector<double>& numbers = values[key];
      for (double number = 0; words >> number;) numbers.push_back(number);
      continue;
    }
    std::array<char, 65536> buffer{};
    const ssize_t got = ::read(in_, buffer.data(), buffer.size());
    if (got <= 0) return fail(ErrorKind::kIo, fmt::format("{} ended without a result", name_));
    unread_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

void Child::go_on() const { write_all(out_, "g"); }

Result<void> Child::finish() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorKind::kIo, fmt::format("{} ended with status {}", name_, status));
}

void Child::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(std::exchange(pid_, -1), nullptr, 0);
}

Result<Values> run_child(std::string name, const Child::Work& work) {
  SLUICE_ASSIGN(Child child, Child::start(std::move(name), work));
  SLUICE_ASSIGN(Values values, child.receive());
  SLUICE_TRY(child.finish());
  return values;
}

double peak_resident_mib() { return number_in("/proc/self/status", "VmHWM:") / 1024; }

double bytes_written() { return number_in("/proc/self/io", "write_bytes:"); }

double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace sluice::bench
