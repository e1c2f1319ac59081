#include "queue/damage_advice.h"

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace sluice::queue {
namespace {

Error advise(Error error, const std::filesystem::path& folder, std::string_view what,
             std::string_view advice) {
  const bool is_damage = error.kind == ErrorKind::kCorrupt || error.kind == ErrorKind::kHole;
  if (!is_damage || error.message.find("\"queuectl ") != std::string::npos) return error;
  if (error.message.find(folder.string()) == std::string::npos) {
    error.message = fmt::format("{} at {} is damaged: {}", what, folder.string(), error.message);
  }
  error.message += fmt::format("; nothing was skipped: {}", advice);
  return error;
}

}  // namespace

Error advise_on_queue(Error error, const InstancePaths& paths) {
  return advise(
      std::move(error), paths.queue(), "the queue",
      "look with \"queuectl verify\", then stop both daemons and run \"queuectl repair\"");
}

Error advise_on_store(Error error, const InstancePaths& paths) {
  return advise(std::move(error), paths.sink(), "the delivery store",
                "look with \"queuectl verify\", then restore it from a backup or, both daemons "
                "stopped, decide with \"queuectl adopt\" from where to deliver");
}

Error advise_on_instance(Error error, const InstancePaths& paths) {
  const bool is_of_store = error.message.find(paths.delivery().string()) != std::string::npos ||
                           error.message.find("delivery store") != std::string::npos;
  return is_of_store ? advise_on_store(std::move(error), paths)
                     : advise_on_queue(std::move(error), paths);
}

}  // namespace sluice::queue
