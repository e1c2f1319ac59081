#include "tests/bench/real_fluentd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "common/owned_fd.h"
#include "tests/bench/setup.h"

namespace sluice::bench {
namespace {

constexpr double kPatienceSeconds = 60;
constexpr std::chrono::milliseconds kLook{20};

// {0}: the folder, {1}: the port, {2}: the certificates.
constexpr std::string_view kInput = R"(<source>
  @type http
  bind 127.0.0.1
  port {1}
  <transport tls>
    client_cert_auth true
    ca_path "{2}/ca.crt"
    cert_path "{2}/server.crt"
    private_key_path "{2}/server.key"
  </transport>
  <parse>
    @type json
    json_parser oj
    time_type string
    time_format %Y-%m-%dT%H:%M:%S
  </parse>
</source>
)";
constexpr std::string_view kNullOutput = R"(<match **>
  @type null
</match>
)";
constexpr std::string_view kFileOutput = R"(<match **>
  @type file
  path "{0}/out/events"
  append true
  <buffer []>
    @type file
    path "{0}/buffer"
    flush_mode interval
    flush_interval 1s
  </buffer>
</match>
)";

Result<int> free_port() {
  const OwnedFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.get(), generic, size) != 0 ||
      ::getsockname(listener.get(), generic, &size) != 0) {
    return fail(errno_error("bind", "a port of 127.0.0.1"));
  }
  return ntohs(address.sin_port);
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

bool has_chunks(const std::filesystem::path& buffer) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(buffer, ignored)) {
    if (entry.path().extension() == ".log") return true;
  }
  return false;
}

}  // namespace

bool RealFluentd::is_on_path() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/fluentd").c_str(), X_OK) == 0) return true;
  }
  return false;
}

Result<std::unique_ptr<RealFluentd>> RealFluentd::start(const std::filesystem::path& folder,
                                                        const std::filesystem::path& certificates,
                                                        FluentdOutput output) {
  SLUICE_ASSIGN(const int port, free_port());
  std::ofstream(folder / "fluent.conf")
      << fmt::format(kInput, "", port, certificates.string())
      << (output == FluentdOutput::kNull ? std::string(kNullOutput)
                                         : fmt::format(kFileOutput, folder.string()));
  auto fluentd = std::unique_ptr<RealFluentd>(new RealFluentd(folder, port));
  SLUICE_TRY(fluentd->run());
  SLUICE_TRY(fluentd->wait_until_it_serves());
  return fluentd;
}

Result<void> RealFluentd::run() {
  const std::string configuration = folder_ / "fluent.conf";
  const std::string log = folder_ / "log";
  pid_ = ::fork();
  if (pid_ < 0) return fail(errno_error("start", "fluentd"));
  if (pid_ > 0) return {};
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::execlp("fluentd", "fluentd", "--no-supervisor", "-c", configuration.c_str(), nullptr);
  ::_exit(127);
}

RealFluentd::~RealFluentd() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Result<void> RealFluentd::wait_until_it_serves() const {
  for (const Stopwatch watch; watch.seconds() < kPatienceSeconds;) {
    if (text_of(folder_ / "log").find("fluentd worker is now running") != std::string::npos) {
      return {};
    }
    std::this_thread::sleep_for(kLook);
  }
  return fail(ErrorKind::kUnavailable,
              "Fluentd does not start; it says:\n" + text_of(folder_ / "log"));
}

double RealFluentd::processor_seconds() const {
  // Behind the name, which is in parentheses: utime and stime are the 12th and 13th.
  const std::string stat = text_of(fmt::format("/proc/{}/stat", pid_));
  std::istringstream words(stat.substr(stat.rfind(')') + 1));
  std::string word;
  for (int i = 0; i < 11; ++i) words >> word;
  double user = 0;
  double system = 0;
  words >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Result<void> RealFluentd::empty() const {
  for (const Stopwatch watch; has_chunks(folder_ / "buffer");) {
    if (watch.seconds() > kPatienceSeconds) {
      return fail(ErrorKind::kIo,
                  "Fluentd does not write its buffer out; it says:\n" + text_of(folder_ / "log"));
    }
    std::this_thread::sleep_for(kLook);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_ / "out", ignored);
  return {};
}

}  // namespace sluice::bench
