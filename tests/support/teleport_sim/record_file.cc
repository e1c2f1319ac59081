#include "tests/support/teleport_sim/record_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>

namespace sluice::teleport_sim {
namespace {

std::string session_key(const std::string& sid, std::uint64_t ordinal) {
  return fmt::format("session/{}/{}", sid, ordinal);
}

std::string audit_key(const std::string& id) { return "audit/" + id; }

// The body is written apart from the rest, as copying it would be most of the work.
std::string make_line(nlohmann::json head, const Event& event) {
  head["id"] = event.id;
  std::string line = head.dump();
  line.pop_back();
  return line + ",\"body\":" + event.body.dump() + "}\n";
}

}  // namespace

RecordFile::~RecordFile() {
  if (file_ >= 0) ::close(file_);
}

Result<void> RecordFile::open(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (std::filesystem::exists(path)) {
    SLUICE_TRY(remove_cut_line(path));
    SLUICE_TRY(load(path));
  }
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0) return fail(errno_error("open", path));
  return {};
}

Result<void> RecordFile::remove_cut_line(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::uintmax_t complete = 0;
  std::string line;
  while (std::getline(file, line) && !file.eof()) complete += line.size() + 1;
  std::error_code error;
  std::filesystem::resize_file(path, complete, error);
  if (error) return fail(ErrorKind::kIo, fmt::format("resize {}: {}", path, error.message()));
  return {};
}

Result<void> RecordFile::load(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  while (std::getline(file, text)) {
    const auto line = nlohmann::json::parse(text, nullptr, false);
    if (!line.is_object()) {
      return fail(ErrorKind::kCorrupt, fmt::format("{} has a line that is not a record", path));
    }
    ++count_;
    if (line["lane"] == "session") {
      is_new(session_key(line["sid"], line["ordinal"]));
    } else {
      if (line["source"] == "search") ++search_ordinal_;
      is_new(audit_key(line["id"]));
    }
  }
  return {};
}

void RecordFile::note_chunk_event(const std::string& source, std::uint64_t ordinal,
                                  const Event& event) {
  const std::lock_guard lock(mutex_);
  if (file_ < 0 || !is_new(audit_key(event.id))) return;
  write_line(make_line({{"lane", "audit"}, {"source", source}, {"ordinal", ordinal}}, event));
}

void RecordFile::note_search_event(const Event& event) {
  const std::lock_guard lock(mutex_);
  if (file_ < 0 || !is_new(audit_key(event.id))) return;
  write_line(
      make_line({{"lane", "audit"}, {"source", "search"}, {"ordinal", search_ordinal_++}}, event));
}

void RecordFile::note_recording_event(const std::string& sid, std::uint64_t ordinal,
                                      const Event& event) {
  const std::lock_guard lock(mutex_);
  if (file_ < 0 || !is_new(session_key(sid, ordinal))) return;
  write_line(
      make_line({{"lane", "session"}, {"sid", sid}, {"source", sid}, {"ordinal", ordinal}}, event));
}

std::uint64_t RecordFile::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

bool RecordFile::is_new(const std::string& key) {
  return seen_.insert(std::hash<std::string>{}(key)).second;
}

void RecordFile::write_line(const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t size = ::write(file_, text.data() + written, text.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      // An event that is served but not noted would make every later judgement worthless.
      std::cerr << "teleport-sim: " << errno_error("write", "the record file").message << '\n';
      std::abort();
    }
    written += static_cast<std::size_t>(size);
  }
  ++count_;
}

}  // namespace sluice::teleport_sim
