#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>

#include "common/file_access.h"
#include "fetcher/check/fetcher_checks.h"
#include "fetcher/import/handler_state.h"
#include "fetcher/import/import_position.h"

namespace sluice::fetcher {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTakeover = "takeover";

}  // namespace

void check_takeover(const CheckContext& context, Findings* findings) {
  if (context.config.storage.empty()) {
    findings->push_back(found_ok(
        kTakeover, "storage is not set, so no position of teleport-event-handler is there"));
    return;
  }
  const fs::path folder =
      context.config.storage / handler_folder_name(context.config.teleport.addr);
  if (const auto there = file_access(folder);
      !there && there.error().kind == ErrorKind::kNotFound) {
    findings->push_back(found_ok(
        kTakeover, fmt::format("{}: teleport-event-handler has left nothing", folder.string())));
    return;
  }
  const auto written = handler_written_at(folder);
  if (!written) {
    findings->push_back(
        cannot_look(context, kTakeover, written.error(), "let the fetcher's user read it"));
    return;
  }
  const auto age =
      std::chrono::duration_cast<std::chrono::seconds>(fs::file_time_type::clock::now() - *written);
  const std::string ago = fmt::format("{}: written {} ago", folder.string(),
                                      format_duration(std::max(age, std::chrono::seconds(0))));
  // As the fetcher's start sees it, also where the files are from the future.
  if (std::chrono::abs(age) < kHandlerIsGone) {
    findings->push_back(
        failure(kTakeover, {ErrorKind::kBusy, ago + ", so teleport-event-handler is running"},
                "systemctl disable --now teleport-event-handler; then start sluice-fetcher"));
    return;
  }
  findings->push_back(found_ok(kTakeover, ago + ", so teleport-event-handler has stopped"));
}

}  // namespace sluice::fetcher
