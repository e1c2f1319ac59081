// Hands records of journald's native protocol to it, and never waits long.
//
// Not with sd_journal_sendv(3): it waits without a limit for a journald that hangs, and says that
// all is well when there is none (libsystemd 252, measured). The protocol is stable and public.
//
// One thread at a time.
#ifndef SLUICE_COMMON_JOURNAL_SINK_H_
#define SLUICE_COMMON_JOURNAL_SINK_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/owned_fd.h"

namespace sluice {

struct JournalSinkOptions {
  std::string socket = "/run/systemd/journal/socket";  // empty: all goes to fallback_fd
  int fallback_fd = 2;
  // How long one record may wait for a journald that has too much to do. Once that was in vain,
  // those that follow do not wait until one is taken.
  std::chrono::milliseconds patience{100};
  // The record that says how many were lost.
  std::function<std::string(std::uint64_t)> lost_record;
};

class JournalSink {
 public:
  explicit JournalSink(JournalSinkOptions options);

  // To journald, else as a line to fallback_fd; what neither takes at once is lost and counted. The
  // number is told with the next record that is taken.
  void write(const std::string& record);

 private:
  bool pass_on(const std::string& record);
  bool send(std::string_view record);
  bool write_line(std::string_view line);
  bool write_begun();

  const JournalSinkOptions options_;
  const OwnedFd socket_;
  bool is_impatient_ = false;
  std::string begun_;  // what is missing of a line on fallback_fd
  std::uint64_t lost_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_COMMON_JOURNAL_SINK_H_
