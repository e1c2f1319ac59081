#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>

#include "common/file_access.h"
#include "fetcher/check/fetcher_checks.h"

namespace sluice::fetcher {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTakeover = "takeover";
// It writes its state at each event, and each time that it has looked for some.
constexpr std::chrono::seconds kHandlerIsGone{120};

// Where the handler keeps what it knows of a cluster.
fs::path handler_folder(const Config& config) {
  std::string name = config.teleport.addr;
  std::ranges::replace(name, ':', '_');
  return config.storage / name;
}

// When something in it was last changed.
Result<fs::file_time_type> written_at(const fs::path& folder) {
  std::error_code error;
  auto newest = fs::last_write_time(folder, error);
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code gone;
    const auto time = entry->last_write_time(gone);
    if (!gone) newest = std::max(newest, time);
  }
  if (!error) return newest;
  errno = error.value();
  return fail(errno_error("look at", folder.string()));
}

}  // namespace

void check_takeover(const CheckContext& context, Findings* findings) {
  if (context.config.storage.empty()) {
    findings->push_back(found_ok(
        kTakeover, "storage is not set, so no position of teleport-event-handler is there"));
    return;
  }
  const fs::path folder = handler_folder(context.config);
  if (const auto there = file_access(folder);
      !there && there.error().kind == ErrorKind::kNotFound) {
    findings->push_back(found_ok(
        kTakeover, fmt::format("{}: teleport-event-handler has left nothing", folder.string())));
    return;
  }
  const auto written = written_at(folder);
  if (!written) {
    findings->push_back(
        cannot_look(context, kTakeover, written.error(), "let the fetcher's user read it"));
    return;
  }
  const auto age =
      std::chrono::duration_cast<std::chrono::seconds>(fs::file_time_type::clock::now() - *written);
  const std::string ago = fmt::format("{}: written {} ago", folder.string(),
                                      format_duration(std::max(age, std::chrono::seconds(0))));
  if (age < kHandlerIsGone) {
    findings->push_back(
        failure(kTakeover, {ErrorKind::kBusy, ago + ", so teleport-event-handler is running"},
                "systemctl disable --now teleport-event-handler; then start sluice-fetcher"));
    return;
  }
  findings->push_back(found_ok(kTakeover, ago + ", so teleport-event-handler has stopped"));
}

}  // namespace sluice::fetcher
