#include "queue/queuectl/check_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>

#include "common/time.h"

extern char** environ;

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

// For every time limit of a network that it may wait for, one after the other.
constexpr milliseconds kPatience{120'000};
constexpr std::size_t kReportBytesMax = 1U << 20;

}  // namespace

Result<CheckProgram> CheckProgram::begin(const std::filesystem::path& program,
                                         const std::vector<std::string>& arguments) {
  if (::access(program.c_str(), X_OK) != 0) return fail(errno_error("run", program.string()));
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(errno_error("make", "a pipe"));
  OwnedFd output(ends[0]);
  const OwnedFd input(ends[1]);
  std::string name = program.string();
  std::vector<std::string> words = arguments;
  std::vector<char*> argv = {name.data()};
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    errno = failed;
    return fail(errno_error("run", program.string()));
  }
  return CheckProgram(program, pid, std::move(output));
}

CheckProgram::CheckProgram(CheckProgram&& other) noexcept
    : program_(std::move(other.program_)),
      pid_(std::exchange(other.pid_, 0)),
      output_(std::move(other.output_)) {}

CheckProgram::~CheckProgram() { end(true); }

void CheckProgram::end(bool by_force) {
  if (pid_ == 0) return;
  if (by_force) ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

Result<FindingReport> CheckProgram::finish() {
  const auto deadline = system_clock().monotonic() + kPatience;
  std::string text;
  while (text.size() <= kReportBytesMax) {
    const auto left = deadline - system_clock().monotonic();
    pollfd entry{.fd = output_.get(), .events = POLLIN, .revents = 0};
    const int ready = left.count() > 0 ? ::poll(&entry, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      return fail(ErrorKind::kUnavailable,
                  fmt::format("{} check has not ended after {}", program_.string(),
                              format_duration(kPatience)));
    }
    std::array<char, 4096> bytes{};
    const auto count = ::read(output_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(bytes.data(), static_cast<std::size_t>(count));
  }
  end(text.size() > kReportBytesMax);
  auto report = parse_report(text);
  if (report) return report;
  return fail(ErrorKind::kRejected,
              fmt::format("{} check printed no report: try it by itself", program_.string()));
}

}  // namespace sluice::queue
