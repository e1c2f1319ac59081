// A daemon's configuration, read again at SIGHUP.
//
// The work is ended as by a stop, with all that is in flight, and begun again with the new
// configuration in the same process. A configuration that is wrong changes nothing; one with which
// the work cannot begin is given up for the one before.
//
// Threads: one calls run(), any request().
#ifndef SLUICE_COMMON_RELOAD_H_
#define SLUICE_COMMON_RELOAD_H_

#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>

#include "common/config.h"
#include "common/error.h"

namespace sluice {

// What a configuration means for the log: its format, debug lines if it asks for them, and its
// warnings.
void announce(const Config& config);

class Reload {
 public:
  using Work = std::function<Result<void>(const Config&, const std::stop_token&)>;

  Reload(Program program, ConfigSources sources)
      : program_(program), sources_(std::move(sources)) {}

  // Does `work`, again and again with a new configuration, until it ends by itself or `stop` is
  // requested. Returns what the last one did; `*config` is what that one had.
  Result<void> run(Config* config, const std::stop_token& stop, const Work& work);

  // Reads the configuration; if it is good, the present work is ended for it.
  void request();

 private:
  std::optional<Config> take_next();

  const Program program_;
  const ConfigSources sources_;
  std::mutex mutex_;
  std::optional<Config> next_;
  std::stop_source present_{std::nostopstate};  // of the work under way
};

}  // namespace sluice

#endif  // SLUICE_COMMON_RELOAD_H_
