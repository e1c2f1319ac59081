#include "queue/replay_job.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "queue/bytes.h"

namespace sluice::queue {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::array<std::string_view, 5> kStateNames = {"active", "done", "cancelled", "partial",
                                                         "failed"};

void put_time(std::string* out, const std::optional<Timestamp>& time) {
  put_little(out, static_cast<std::uint8_t>(time.has_value()));
  put_little(out, static_cast<std::uint64_t>(time ? time->seconds : 0));
  put_little(out, time ? time->nanos : 0U);
}

std::optional<Timestamp> take_time(ByteReader* reader) {
  const bool is_there = reader->little<std::uint8_t>() != 0;
  Timestamp time;
  time.seconds = static_cast<std::int64_t>(reader->little<std::uint64_t>());
  time.nanos = reader->little<std::uint32_t>();
  return is_there ? std::optional(time) : std::nullopt;
}

void put_names(std::string* out, const std::vector<std::string>& names) {
  put_little(out, static_cast<std::uint32_t>(names.size()));
  for (const std::string& name : names) put_sized(out, name);
}

// Ends at the first that is missing, which the caller's check then finds.
std::vector<std::string> take_names(ByteReader* reader) {
  std::vector<std::string> names;
  const auto count = reader->little<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && reader->ok(); ++i) names.emplace_back(reader->sized());
  return names;
}

Result<void> check(const ByteReader& reader, std::uint8_t version, bool is_sound) {
  if (version != kVersion) {
    return fail(ErrorKind::kFormat,
                fmt::format("the delivery store holds a replay job of version {}, which this "
                            "program does not know: use the release that wrote it, or a newer one",
                            version));
  }
  if (!reader.finished() || !is_sound) {
    return fail(ErrorKind::kCorrupt, "the delivery store is damaged: a replay job");
  }
  return {};
}

std::unexpected<Error> refuse(std::string sentence) {
  return fail(ErrorKind::kUsage, std::move(sentence));
}

Result<void> check_names(const std::vector<std::string>& names, std::size_t count_max,
                         std::string_view what) {
  if (names.size() > count_max) {
    return refuse(fmt::format("a replay takes at most {} {}, and {} were given: make several jobs",
                              count_max, what, names.size()));
  }
  const bool is_sound = std::ranges::all_of(names, [](const std::string& name) {
    return !name.empty() && name.size() <= kReplayNameBytesMax;
  });
  if (is_sound) return {};
  return refuse(
      fmt::format("each of the {} of a replay must have 1 to {} bytes", what, kReplayNameBytesMax));
}

}  // namespace

std::string_view name_of(ReplayState state) {
  return kStateNames.at(static_cast<std::size_t>(state));
}

Result<void> check_actor(const Actor& actor) {
  if (actor.reason.empty()) return refuse("a change needs a reason: give --reason TEXT");
  if (actor.reason.size() > kReplayReasonBytesMax) {
    return refuse(fmt::format("a reason has at most {} bytes", kReplayReasonBytesMax));
  }
  if (actor.claimed.size() > kReplayNameBytesMax) {
    return refuse(fmt::format("a user's name has at most {} bytes", kReplayNameBytesMax));
  }
  return {};
}

Result<void> check_spec(const ReplaySpec& spec) {
  SLUICE_TRY(check_actor(spec.actor));
  if (spec.numbers.first == 0 || spec.numbers.last < spec.numbers.first) {
    return refuse(fmt::format("{} to {} is not a range of sequence numbers", spec.numbers.first,
                              spec.numbers.last));
  }
  SLUICE_TRY(check_names(spec.filter.types, kReplayTypesMax, "types"));
  return check_names(spec.filter.ids, kReplayIdsMax, "ids");
}

std::string encode_replay_spec(const ReplaySpec& spec) {
  std::string bytes;
  put_little(&bytes, kVersion);
  put_little(&bytes, static_cast<std::uint8_t>(spec.lane));
  put_little(&bytes, spec.numbers.first);
  put_little(&bytes, spec.numbers.last);
  put_time(&bytes, spec.filter.from_time);
  put_time(&bytes, spec.filter.to_time);
  put_names(&bytes, spec.filter.types);
  put_names(&bytes, spec.filter.ids);
  put_little(&bytes, spec.rate);
  put_little(&bytes, static_cast<std::uint8_t>(spec.mark));
  put_little(&bytes, spec.actor.uid);
  put_sized(&bytes, spec.actor.claimed);
  put_sized(&bytes, spec.actor.reason);
  for (const std::uint64_t value : {static_cast<std::uint64_t>(spec.created_at_ms), spec.matched,
                                    spec.matched_bytes, spec.trimmed}) {
    put_little(&bytes, value);
  }
  return bytes;
}

Result<ReplaySpec> decode_replay_spec(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto version = reader.little<std::uint8_t>();
  ReplaySpec spec;
  const auto lane = reader.little<std::uint8_t>();
  spec.numbers.first = reader.little<Seq>();
  spec.numbers.last = reader.little<Seq>();
  spec.filter.from_time = take_time(&reader);
  spec.filter.to_time = take_time(&reader);
  spec.filter.types = take_names(&reader);
  spec.filter.ids = take_names(&reader);
  spec.rate = reader.little<std::uint64_t>();
  spec.mark = reader.little<std::uint8_t>() != 0;
  spec.actor.uid = reader.little<std::uint32_t>();
  spec.actor.claimed = reader.sized();
  spec.actor.reason = reader.sized();
  spec.created_at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  spec.matched = reader.little<std::uint64_t>();
  spec.matched_bytes = reader.little<std::uint64_t>();
  spec.trimmed = reader.little<std::uint64_t>();
  SLUICE_TRY(check(reader, version, lane < kLaneCount));
  spec.lane = static_cast<Lane>(lane);
  return spec;
}

std::string encode_replay_progress(const ReplayProgress& progress) {
  std::string bytes;
  put_little(&bytes, kVersion);
  put_little(&bytes, static_cast<std::uint8_t>(progress.state));
  for (const std::uint64_t value :
       {progress.position, progress.last, progress.sent, progress.sent_bytes, progress.refused,
        static_cast<std::uint64_t>(progress.changed_at_ms)}) {
    put_little(&bytes, value);
  }
  put_little(&bytes, static_cast<std::uint32_t>(progress.completed.size()));
  for (const SeqRange& range : progress.completed) {
    put_little(&bytes, range.first);
    put_little(&bytes, range.last);
  }
  put_little(&bytes, static_cast<std::uint32_t>(progress.refused_numbers.size()));
  for (const Seq seq : progress.refused_numbers) put_little(&bytes, seq);
  put_sized(&bytes, progress.refusal);
  put_sized(&bytes, progress.remark);
  return bytes;
}

Result<ReplayProgress> decode_replay_progress(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto version = reader.little<std::uint8_t>();
  const auto state = reader.little<std::uint8_t>();
  ReplayProgress progress;
  for (std::uint64_t* value : {&progress.position, &progress.last, &progress.sent,
                               &progress.sent_bytes, &progress.refused}) {
    *value = reader.little<std::uint64_t>();
  }
  progress.changed_at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  const auto ranges = reader.little<std::uint32_t>();
  for (std::uint32_t i = 0; i < ranges && reader.ok(); ++i) {
    const Seq first = reader.little<Seq>();
    progress.completed.push_back({first, reader.little<Seq>()});
  }
  const auto refused = reader.little<std::uint32_t>();
  for (std::uint32_t i = 0; i < refused && reader.ok(); ++i) {
    progress.refused_numbers.push_back(reader.little<Seq>());
  }
  progress.refusal = reader.sized();
  progress.remark = reader.sized();
  SLUICE_TRY(check(reader, version, state < kStateNames.size()));
  progress.state = static_cast<ReplayState>(state);
  return progress;
}

// A job that was cut behind its beginning ends before it.
Result<void> check_progress(const ReplayJob& job) {
  const ReplayProgress& at = job.progress;
  const SeqRange asked = job.spec.numbers;
  const auto refuse = [&](std::string_view what) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("the delivery store is damaged: replay {} of numbers {} to {} {}",
                            job.id, asked.first, asked.last, what));
  };
  if (asked.first == 0 || asked.last < asked.first) return refuse("has no such range");
  if (at.last > asked.last) return refuse("ends behind its range");
  if (at.position > at.last || at.position < std::min(asked.first - 1, at.last)) {
    return refuse(fmt::format("is at {}, which is not in it", at.position));
  }
  Seq before = at.position;
  for (const SeqRange& range : at.completed) {
    if (range.first <= before || range.last < range.first || range.last > at.last) {
      return refuse("has finished numbers that do not follow each other");
    }
    before = range.last;
  }
  return {};
}

ReplayMatcher::ReplayMatcher(const ReplayFilter& filter)
    : from_time_(filter.from_time),
      to_time_(filter.to_time),
      types_(filter.types.begin(), filter.types.end()),
      ids_(filter.ids.begin(), filter.ids.end()) {}

bool ReplayMatcher::matches(const RecordView& record) const {
  if (record.kind != RecordKind::kEvent) return false;
  if (from_time_ && record.time < *from_time_) return false;
  if (to_time_ && record.time >= *to_time_) return false;
  if (!types_.empty() && !types_.contains(std::string(record.type))) return false;
  return ids_.empty() || ids_.contains(std::string(record.id));
}

std::string describe(const ReplayFilter& filter) {
  std::vector<std::string> parts;
  if (filter.from_time || filter.to_time) {
    parts.push_back(fmt::format("{}..{}", filter.from_time ? format_rfc3339(*filter.from_time) : "",
                                filter.to_time ? format_rfc3339(*filter.to_time) : ""));
  }
  if (!filter.types.empty()) parts.push_back(fmt::format("type {}", fmt::join(filter.types, ",")));
  if (filter.ids.size() == 1) parts.push_back(fmt::format("id {}", filter.ids.front()));
  if (filter.ids.size() > 1) parts.push_back(fmt::format("{} ids", filter.ids.size()));
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace sluice::queue
