// sluice-adopt: makes a machine with Teleport's teleport-event-handler ready for Sluice.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "adopt/adoption.h"
#include "common/describe.h"
#include "common/error.h"

namespace sluice::adopt {
namespace {

constexpr int kCannotRun = 127;

Result<int> run_systemctl(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"systemctl"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::fflush(stdout);
  pid_t pid = 0;
  const int failure = ::posix_spawnp(&pid, "systemctl", nullptr, nullptr, argv.data(), environ);
  if (failure != 0) {
    return fail(ErrorKind::kNotFound,
                fmt::format("cannot run systemctl: {}", std::strerror(failure)));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kCannotRun;
}

int run(int argc, char** argv) {
  CLI::App app(
      "Prepares Sluice in the place of Teleport's teleport-event-handler: copies what it needs, "
      "puts the configuration in its place, stops and disables the old unit. It starts nothing, "
      "and can be run again.",
      "sluice-adopt");
  AdoptionOptions options;
  std::string root = "/";
  std::string config;
  app.add_flag("-n,--dry-run", options.dry_run, "Print the same and change nothing");
  app.add_option("-c,--config", config,
                 "The configuration file of teleport-event-handler, if its unit does not name it")
      ->type_name("FILE");
  app.add_option("-i,--instance", options.instance, "The instance's name")->type_name("NAME");
  app.add_option("--unit", options.unit, "The unit of teleport-event-handler")->type_name("UNIT");
  app.add_option("--root", root, "A system below this folder, instead of this one")
      ->type_name("DIR");
  app.set_version_flag("--version", "sluice-adopt " SLUICE_VERSION);
  const CLI::App* describe_command = add_describe_command(&app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool is_answer = error.get_exit_code() == 0;
    app.exit(error);
    return is_answer ? 0 : exit_status(ErrorKind::kUsage);
  }
  if (describe_command->parsed()) {
    fmt::print("{}\n", describe_program(app));
    return 0;
  }
  options.root = std::filesystem::absolute(root);
  options.config = config;
  if (options.dry_run) fmt::print("dry run: nothing is changed\n");
  const auto done =
      adopt(options, run_systemctl, [](const std::string& line) { fmt::print("{}\n", line); });
  if (done) return 0;
  fmt::print(stderr, "sluice-adopt: {}\n", done.error().message);
  return exit_status(done.error().kind);
}

}  // namespace
}  // namespace sluice::adopt

int main(int argc, char** argv) { return sluice::adopt::run(argc, argv); }
