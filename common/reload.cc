#include "common/reload.h"

#include <utility>

#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"

namespace sluice {

void announce(const Config& config) {
  set_log_format(config.log_format, config.instance);
  if (config.debug) show_debug_lines();
  for (const std::string& warning : config.warnings)
    log_message(message::kConfigWarning, {}, "{}", warning);
}

void Reload::request() {
  notify_reloading();
  auto config = load_config(program_, sources_);
  if (!config) {
    log_message(message::kConfigNotReloaded, {},
                "the configuration is not reloaded, and the present one stays in use: {}",
                config.error().message);
    return notify_ready();
  }
  log_message(message::kConfigReloaded, {},
              "the configuration is reloaded: what is under way is finished first");
  std::stop_source present{std::nostopstate};
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(*config);
    present = present_;
  }
  // Its callbacks take their time.
  present.request_stop();
}

std::optional<Config> Reload::take_next() {
  const std::lock_guard lock(mutex_);
  return std::exchange(next_, std::nullopt);
}

Result<void> Reload::run(Config* config, const std::stop_token& stop, const Work& work) {
  std::optional<Config> before;  // what worked until the last reload
  while (true) {
    std::stop_source present;
    {
      const std::lock_guard lock(mutex_);
      present_ = present;
      if (next_) present.request_stop();
    }
    const std::stop_callback on_stop(stop, [&present] { present.request_stop(); });
    auto done = work(*config, present.get_token());
    auto next = take_next();
    const bool cannot_begin = !done && before && done.error().kind == ErrorKind::kConfig;
    if (stop.stop_requested() || (!done && !cannot_begin)) return done;
    if (next) {
      if (!cannot_begin) before = *config;
    } else if (cannot_begin) {
      log_message(message::kConfigGivenUp, {},
                  "the reloaded configuration is given up for the one before: {}",
                  done.error().message);
      next = std::exchange(before, std::nullopt);
    } else {
      return done;
    }
    *config = std::move(*next);
    announce(*config);
  }
}

}  // namespace sluice
