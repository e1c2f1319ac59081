// What a daemon says of itself, in the second half of its control page: for people, through
// queuectl.
//
// Nothing is decided by it. It is written beside the page's values and without ringing the
// doorbell, in two slots with a checksum each, so that it is whole or not there; programs that do
// not know it do not see it, and one that does finds none in a page of those. docs/queue-format.md
// has the bytes.
#ifndef SLUICE_QUEUE_DAEMON_NOTE_H_
#define SLUICE_QUEUE_DAEMON_NOTE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "queue/control_page.h"
#include "queue/types.h"

namespace sluice::queue {

// Texts are cut where they would not fit.
struct DaemonNote {
  std::int64_t pid = 0;
  std::int64_t noted_ms = 0;    // when this was written, unix time as all that follow
  std::int64_t started_ms = 0;  // the process
  std::int64_t state_since_ms = 0;
  std::int64_t problem_ms = 0;  // 0: there was none
  // Events a second in the last minute: committed by the fetcher, accounted for by the shipper. In
  // thousandths.
  PerLane<std::uint64_t> rate_milli;
  std::string version;
  std::string state;
  std::string problem;
  std::map<std::string, std::int64_t> certificates;  // when they end, by whose they are
  bool operator==(const DaemonNote&) const = default;
};

std::string encode_daemon_note(const DaemonNote& note);
// Nothing: it is none that this program knows.
std::optional<DaemonNote> decode_daemon_note(std::string_view bytes);

// Nothing: there is no page, or it has no note.
std::optional<DaemonNote> read_daemon_note(const std::filesystem::path& page);

// Writes what process_note() says, and how fast the page's numbers move, into this process's own
// page, once a second on a thread of its own; once more at the end. What fails is left out: no work
// depends on it.
class NoteKeeper {
 public:
  NoteKeeper(std::filesystem::path page, PageRole role);
  NoteKeeper(const NoteKeeper&) = delete;
  NoteKeeper& operator=(const NoteKeeper&) = delete;
  ~NoteKeeper();

 private:
  void run(const std::stop_token& stop);

  const std::filesystem::path page_;
  const PageRole role_;
  std::jthread thread_;  // last: it uses the others
};

// How fast numbers have moved in about the last minute. One thread; times from any clock that does
// not jump.
class RateGauge {
 public:
  void add(std::int64_t at_ms, const PerLane<Seq>& numbers);
  // In thousandths of a number a second; 0 until there are two looks. Numbers that go back begin
  // anew.
  PerLane<std::uint64_t> rate_milli() const;

 private:
  static constexpr std::int64_t kSpanMs = 60'000;
  struct Look {
    std::int64_t at_ms;
    PerLane<Seq> numbers;
  };
  std::vector<Look> looks_;  // the oldest first
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DAEMON_NOTE_H_
