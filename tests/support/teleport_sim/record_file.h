// The file that says what the simulator has served: one JSON object a line, one line an event.
//
//   {"lane":"audit"|"session","id":…,"sid":…,"source":"<date>/<chunk>"|"search"|<sid>,
//    "ordinal":n,"body":{…}}
//
// A line is written to the file before its event is put on the wire for the first time, so the file
// is complete however the process ends. An existing file is continued: events in it are not noted
// again, and a line cut short by a crash is removed. Thread-safe.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_RECORD_FILE_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_RECORD_FILE_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>

#include "common/error.h"
#include "tests/support/teleport_sim/event.h"

namespace sluice::teleport_sim {

class RecordFile {
 public:
  RecordFile() = default;
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;
  ~RecordFile();

  // Without a call of open() nothing is noted.
  Result<void> open(const std::string& path);

  void note_chunk_event(const std::string& source, std::uint64_t ordinal, const Event& event);
  // Ordinals of the search count the events in the order in which they were first served.
  void note_search_event(const Event& event);
  void note_recording_event(const std::string& sid, std::uint64_t ordinal, const Event& event);

  std::uint64_t count() const;

 private:
  bool is_new(const std::string& key);
  void write_line(const std::string& text);
  Result<void> load(const std::string& path);
  Result<void> remove_cut_line(const std::string& path);

  mutable std::mutex mutex_;
  int file_ = -1;
  std::uint64_t search_ordinal_ = 0;
  std::uint64_t count_ = 0;
  std::unordered_set<std::uint64_t> seen_;  // hashes of keys
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_RECORD_FILE_H_
