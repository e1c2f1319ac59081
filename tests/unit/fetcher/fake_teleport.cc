#include "tests/unit/fetcher/fake_teleport.h"

#include <fmt/format.h>

#include "fetcher/transcode/event.h"
#include "teleport/auditlog/v1/auditlog.pb.h"

namespace sluice::fetcher {
namespace {

// Messages of a stream, then its end or a failure.
struct Script {
  std::vector<std::string> messages;
  std::vector<std::string> cursors;
  std::optional<FakeTeleport::Fault> fault;
  std::size_t next = 0;

  Result<bool> advance() {
    if (fault && next >= fault->after) return fail(fault->error);
    return next < messages.size();
  }
};

class ScriptedExport final : public ExportStream {
 public:
  explicit ScriptedExport(Script script) : script_(std::move(script)) {}
  Result<std::optional<ExportItem>> next() override {
    SLUICE_ASSIGN(const bool more, script_.advance());
    if (!more) return std::nullopt;
    const std::size_t i = script_.next++;
    return ExportItem{script_.messages[i], script_.cursors[i]};
  }

 private:
  Script script_;
};

class ScriptedSession final : public SessionStream {
 public:
  ScriptedSession(Script script, std::shared_ptr<std::atomic<int>> open)
      : script_(std::move(script)), open_(std::move(open)) {
    ++*open_;
  }
  ScriptedSession(const ScriptedSession&) = delete;
  ScriptedSession& operator=(const ScriptedSession&) = delete;
  ~ScriptedSession() override { --*open_; }
  Result<std::optional<std::string_view>> next() override {
    SLUICE_ASSIGN(const bool more, script_.advance());
    if (!more) return std::nullopt;
    return std::string_view(script_.messages[script_.next++]);
  }

 private:
  Script script_;
  const std::shared_ptr<std::atomic<int>> open_;
};

std::int64_t index_of(const std::string& bytes) {
  EventDecoder decoder;
  const auto decoded = decoder.decode(bytes);
  return decoded ? decoded->index : decoded.error().index;
}

}  // namespace

std::string event_bytes(const std::string& id, Timestamp time, const std::string& type,
                        std::int64_t index, const std::string& sid) {
  teleport::auditlog::v1::EventUnstructured message;
  message.set_id(id);
  message.set_type(type);
  message.set_index(index);
  message.mutable_time()->set_seconds(time.seconds);
  message.mutable_time()->set_nanos(static_cast<std::int32_t>(time.nanos));
  auto& fields = *message.mutable_unstructured()->mutable_fields();
  fields["uid"].set_string_value(id);
  fields["time"].set_string_value(format_rfc3339(time));
  if (!sid.empty()) fields["sid"].set_string_value(sid);
  return message.SerializeAsString();
}

void FakeTeleport::add_chunk(Day day, const std::string& chunk, std::vector<std::string> events) {
  const std::lock_guard lock(mutex_);
  days_[day][chunk].events = std::move(events);
}

void FakeTeleport::remove_chunk(Day day, const std::string& chunk) {
  const std::lock_guard lock(mutex_);
  days_[day][chunk].removed = true;
}

void FakeTeleport::fail_chunk(const std::string& chunk, std::size_t after, ErrorKind kind) {
  const std::lock_guard lock(mutex_);
  faults_.insert_or_assign(chunk, Fault{after, Error{kind, "made to fail"}});
}

void FakeTeleport::fail_recording(const std::string& sid, std::size_t after, ErrorKind kind) {
  fail_chunk(sid, after, kind);
}

void FakeTeleport::set_export(bool supported) {
  const std::lock_guard lock(mutex_);
  export_supported_ = supported;
}

std::vector<std::string> FakeTeleport::cursors_asked_for(const std::string& chunk) const {
  const std::lock_guard lock(mutex_);
  const auto found = cursors_.find(chunk);
  return found == cursors_.end() ? std::vector<std::string>() : found->second;
}

std::size_t FakeTeleport::exports_of(const std::string& chunk) const {
  return cursors_asked_for(chunk).size();
}

void FakeTeleport::add_event(const std::string& id, Timestamp time) {
  const std::lock_guard lock(mutex_);
  events_.emplace(time, event_bytes(id, time));
}

void FakeTeleport::refuse_keys(bool refuse, ErrorKind kind) {
  const std::lock_guard lock(mutex_);
  keys_refused_ = refuse;
  key_refusal_ = kind;
}

std::vector<SearchRequest> FakeTeleport::searches() const {
  const std::lock_guard lock(mutex_);
  return searches_;
}

void FakeTeleport::add_recording(const std::string& sid, std::vector<std::string> events) {
  const std::lock_guard lock(mutex_);
  recordings_.insert_or_assign(sid, std::move(events));
}

std::vector<std::int32_t> FakeTeleport::starts_of(const std::string& sid) const {
  const std::lock_guard lock(mutex_);
  const auto found = starts_.find(sid);
  return found == starts_.end() ? std::vector<std::int32_t>() : found->second;
}

void FakeTeleport::set_reachable(bool reachable) {
  const std::lock_guard lock(mutex_);
  reachable_ = reachable;
}

std::optional<FakeTeleport::Fault> FakeTeleport::take_fault(const std::string& name) {
  const auto found = faults_.find(name);
  if (found == faults_.end()) return std::nullopt;
  Fault fault = found->second;
  faults_.erase(found);
  return fault;
}

Result<std::string> FakeTeleport::ping(std::stop_token) {
  const std::lock_guard lock(mutex_);
  if (!reachable_) return fail(ErrorKind::kUnavailable, "not reachable");
  return "fake.example.com";
}

Result<std::vector<std::string>> FakeTeleport::list_chunks(Day day, std::stop_token) {
  const std::lock_guard lock(mutex_);
  if (!export_supported_) return fail(ErrorKind::kUnimplemented, "no bulk export");
  std::vector<std::string> names;
  for (const auto& [name, chunk] : days_[day]) names.insert(names.begin(), name);
  return names;
}

std::unique_ptr<ExportStream> FakeTeleport::export_chunk(Day day, const std::string& chunk,
                                                         const std::string& cursor,
                                                         std::stop_token) {
  const std::lock_guard lock(mutex_);
  cursors_[chunk].push_back(cursor);
  Script script;
  script.fault = take_fault(chunk);
  const Chunk& found = days_[day][chunk];
  std::size_t first = 0;
  if (!export_supported_) script.fault = Fault{0, {ErrorKind::kUnimplemented, "no bulk export"}};
  if (found.removed) script.fault = Fault{0, {ErrorKind::kNotFound, "no such chunk"}};
  if (!cursor.empty()) {
    if (!cursor.starts_with(chunk + "@")) {
      script.fault = Fault{0, {ErrorKind::kRejected, "a cursor of another chunk"}};
    } else {
      first = std::stoul(cursor.substr(chunk.size() + 1));
    }
  }
  for (std::size_t i = first; i < found.events.size(); ++i) {
    script.messages.push_back(found.events[i]);
    script.cursors.push_back(fmt::format("{}@{}", chunk, i + 1));
  }
  return std::make_unique<ScriptedExport>(std::move(script));
}

void FakeTeleport::set_page_max(std::size_t events) {
  const std::lock_guard lock(mutex_);
  page_max_ = events;
}

Result<SearchPage> FakeTeleport::search(const SearchRequest& request, std::stop_token) {
  const std::lock_guard lock(mutex_);
  searches_.push_back(request);
  const std::string window = format_rfc3339(request.from) + "/" + format_rfc3339(request.to) + "#";
  std::size_t skip = 0;
  if (!request.start_key.empty()) {
    if (keys_refused_) return fail(key_refusal_, "invalid key format");
    if (!request.start_key.starts_with(window)) {
      return fail(ErrorKind::kRejected, "invalid key format");
    }
    skip = std::stoul(request.start_key.substr(window.size()));
  }
  auto owner = std::make_shared<std::vector<std::string>>();
  SearchPage page;
  std::size_t position = 0;
  for (auto it = events_.lower_bound(request.from); it != events_.end() && it->first <= request.to;
       ++it, ++position) {
    if (position < skip) continue;
    if (owner->size() == request.limit) {
      page.last_key = window + std::to_string(position);
      break;
    }
    owner->push_back(it->second);
  }
  if (owner->size() > page_max_) return fail(ErrorKind::kTooLarge, "made to be too large");
  for (const std::string& event : *owner) page.events.push_back(event);
  page.owner = owner;
  return page;
}

std::unique_ptr<SessionStream> FakeTeleport::stream_session(const std::string& sid,
                                                            std::int32_t start_index,
                                                            std::stop_token) {
  const std::lock_guard lock(mutex_);
  starts_[sid].push_back(start_index);
  Script script;
  script.fault = take_fault(sid);
  const auto found = recordings_.find(sid);
  if (!reachable_) {
    script.fault = Fault{0, {ErrorKind::kUnavailable, "not reachable"}};
  } else if (found == recordings_.end()) {
    script.fault = Fault{0, {ErrorKind::kNotFound, "no such recording"}};
  } else {
    for (const std::string& event : found->second) {
      if (index_of(event) >= start_index) script.messages.push_back(event);
    }
  }
  return std::make_unique<ScriptedSession>(std::move(script), open_session_streams_);
}

std::vector<LockRequest> FakeTeleport::locks() const {
  const std::lock_guard lock(mutex_);
  return locks_;
}

void FakeTeleport::refuse_locks(int times, ErrorKind kind) {
  const std::lock_guard lock(mutex_);
  locks_to_refuse_ = times;
  lock_refusal_ = kind;
}

Result<void> FakeTeleport::lock(const LockRequest& request, std::stop_token) {
  const std::lock_guard lock(mutex_);
  if (locks_to_refuse_ > 0) {
    --locks_to_refuse_;
    return fail(lock_refusal_, "refused by the test");
  }
  locks_.push_back(request);
  return {};
}

}  // namespace sluice::fetcher
