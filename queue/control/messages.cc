#include "queue/control/messages.h"

#include <utility>

namespace sluice::queue {
namespace {

void put_time(Timestamp time, google::protobuf::Timestamp* out) {
  out->set_seconds(time.seconds);
  out->set_nanos(static_cast<std::int32_t>(time.nanos));
}

Result<Timestamp> time_of(const google::protobuf::Timestamp& time) {
  constexpr std::int32_t kNanosMax = 999'999'999;
  if (time.seconds() < kTimestampSecondsMin || time.seconds() > kTimestampSecondsMax ||
      time.nanos() < 0 || time.nanos() > kNanosMax) {
    return fail(ErrorKind::kUsage, "times are in the years 1 to 9999");
  }
  return Timestamp{time.seconds(), static_cast<std::uint32_t>(time.nanos())};
}

std::vector<std::string> names_of(const google::protobuf::RepeatedPtrField<std::string>& names) {
  return {names.begin(), names.end()};
}

// The states' numbers are those on disk plus one, since 0 means that there is none.
wire::ReplayState to_wire(ReplayState state) {
  return static_cast<wire::ReplayState>(static_cast<int>(state) + 1);
}

void put_progress(const ReplayProgress& progress, wire::ReplayProgress* out) {
  out->set_state(to_wire(progress.state));
  out->set_position(progress.position);
  out->set_last(progress.last);
  out->set_sent(progress.sent);
  out->set_sent_bytes(progress.sent_bytes);
  out->set_refused(progress.refused);
  out->mutable_refused_numbers()->Add(progress.refused_numbers.begin(),
                                      progress.refused_numbers.end());
  out->set_refusal(progress.refusal);
  out->set_remark(progress.remark);
  put_time(from_unix_ms(progress.changed_at_ms), out->mutable_changed_at());
}

Result<ReplayProgress> progress_of(const wire::ReplayProgress& in) {
  if (in.state() <= wire::REPLAY_STATE_UNSPECIFIED || in.state() > wire::REPLAY_STATE_FAILED) {
    return fail(ErrorKind::kFormat,
                "the shipper's answer has a state that this program does not "
                "know: use queuectl of the shipper's release");
  }
  ReplayProgress progress;
  progress.state = static_cast<ReplayState>(in.state() - 1);
  progress.position = in.position();
  progress.last = in.last();
  progress.sent = in.sent();
  progress.sent_bytes = in.sent_bytes();
  progress.refused = in.refused();
  progress.refused_numbers.assign(in.refused_numbers().begin(), in.refused_numbers().end());
  progress.refusal = in.refusal();
  progress.remark = in.remark();
  SLUICE_ASSIGN(const Timestamp changed_at, time_of(in.changed_at()));
  progress.changed_at_ms = to_unix_ms(changed_at);
  return progress;
}

}  // namespace

wire::Lane to_wire(Lane lane) {
  return lane == Lane::kAudit ? wire::LANE_AUDIT : wire::LANE_SESSION;
}

Result<Lane> from_wire(wire::Lane lane) {
  if (lane == wire::LANE_AUDIT) return Lane::kAudit;
  if (lane == wire::LANE_SESSION) return Lane::kSession;
  return fail(ErrorKind::kUsage, "the lanes are audit and session");
}

wire::ReplaySpec to_wire(const ReplaySpec& spec) {
  wire::ReplaySpec out;
  out.set_lane(to_wire(spec.lane));
  out.set_first(spec.numbers.first);
  out.set_last(spec.numbers.last);
  if (spec.filter.from_time) put_time(*spec.filter.from_time, out.mutable_from_time());
  if (spec.filter.to_time) put_time(*spec.filter.to_time, out.mutable_to_time());
  for (const std::string& type : spec.filter.types) out.add_types(type);
  for (const std::string& id : spec.filter.ids) out.add_ids(id);
  out.set_rate(spec.rate);
  out.set_mark(spec.mark);
  out.set_reason(spec.actor.reason);
  out.set_claimed_by(spec.actor.claimed);
  out.set_uid(spec.actor.uid);
  put_time(from_unix_ms(spec.created_at_ms), out.mutable_created_at());
  out.set_matched(spec.matched);
  out.set_matched_bytes(spec.matched_bytes);
  out.set_trimmed(spec.trimmed);
  return out;
}

Result<ReplaySpec> from_wire(const wire::ReplaySpec& in) {
  ReplaySpec spec;
  SLUICE_ASSIGN(spec.lane, from_wire(in.lane()));
  spec.numbers = {in.first(), in.last()};
  if (in.has_from_time()) {
    SLUICE_ASSIGN(spec.filter.from_time, time_of(in.from_time()));
  }
  if (in.has_to_time()) {
    SLUICE_ASSIGN(spec.filter.to_time, time_of(in.to_time()));
  }
  spec.filter.types = names_of(in.types());
  spec.filter.ids = names_of(in.ids());
  spec.rate = in.rate();
  spec.mark = in.mark();
  spec.actor = {in.uid(), in.claimed_by(), in.reason()};
  SLUICE_ASSIGN(const Timestamp created_at, time_of(in.created_at()));
  spec.created_at_ms = to_unix_ms(created_at);
  spec.matched = in.matched();
  spec.matched_bytes = in.matched_bytes();
  spec.trimmed = in.trimmed();
  return spec;
}

wire::Replay to_wire(const ReplayJob& job) {
  wire::Replay out;
  out.set_id(job.id);
  *out.mutable_spec() = to_wire(job.spec);
  put_progress(job.progress, out.mutable_progress());
  return out;
}

Result<ReplayJob> from_wire(const wire::Replay& in) {
  ReplayJob job;
  job.id = in.id();
  SLUICE_ASSIGN(job.spec, from_wire(in.spec()));
  SLUICE_ASSIGN(job.progress, progress_of(in.progress()));
  return job;
}

wire::DeadLetterChange to_wire(const DeadLetterChange& change) {
  wire::DeadLetterChange out;
  out.set_changed(change.changed);
  out.set_rejects(change.rejects);
  out.set_as_asked(change.as_asked);
  out.set_gone(change.gone);
  return out;
}

DeadLetterChange from_wire(const wire::DeadLetterChange& change) {
  return {.changed = change.changed(),
          .rejects = change.rejects(),
          .as_asked = change.as_asked(),
          .gone = change.gone()};
}

wire::SkippedEvent to_wire(const StoredRecord& event) {
  wire::SkippedEvent out;
  out.set_seq(event.seq);
  out.set_epoch(event.record.epoch);
  put_time(event.record.time, out.mutable_time());
  out.set_id(std::string(event.record.id));
  out.set_type(std::string(event.record.type));
  return out;
}

Result<StoredRecord> from_wire(const wire::SkippedEvent& in) {
  if (in.seq() == 0 || in.id().empty() || in.id().size() > kStringBytesMax ||
      in.type().size() > kStringBytesMax) {
    return fail(ErrorKind::kUsage, "an event that is skipped has a number and an id");
  }
  StoredRecord event;
  event.seq = in.seq();
  event.record.epoch = in.epoch();
  SLUICE_ASSIGN(event.record.time, time_of(in.time()));
  event.record.id = in.id();
  event.record.type = in.type();
  return event;
}

wire::Sink to_wire(const SinkReport& report) {
  wire::Sink out;
  for (const SinkReport::Certificate& certificate : report.certificates) {
    wire::SinkCertificate& one = *out.add_certificates();
    one.set_whose(certificate.whose);
    put_time(from_unix_ms(certificate.ends_ms), one.mutable_ends_at());
  }
  if (report.count) {
    wire::SinkCount& count = *out.mutable_count();
    if (report.count->since_ms != 0) {
      put_time(from_unix_ms(report.count->since_ms), count.mutable_since());
    }
    count.set_acknowledged(report.count->acknowledged);
    count.set_counted(report.count->counted);
    count.set_differs_by(report.count->differs_by);
    count.set_problem(report.count->problem);
  }
  for (const std::string& warning : report.warnings) out.add_warnings(warning);
  return out;
}

SinkReport from_wire(const wire::Sink& in) {
  // A time that makes no sense is none.
  const auto ms_of = [](const google::protobuf::Timestamp& time) {
    return to_unix_ms(time_of(time).value_or(Timestamp{}));
  };
  SinkReport report;
  for (const wire::SinkCertificate& one : in.certificates()) {
    report.certificates.push_back({one.whose(), ms_of(one.ends_at())});
  }
  if (in.has_count()) {
    const wire::SinkCount& count = in.count();
    report.count = {.since_ms = count.has_since() ? ms_of(count.since()) : 0,
                    .acknowledged = count.acknowledged(),
                    .counted = count.counted(),
                    .differs_by = count.differs_by(),
                    .problem = count.problem()};
  }
  report.warnings.assign(in.warnings().begin(), in.warnings().end());
  return report;
}

wire::Failure to_wire(const Error& error) {
  wire::Failure out;
  out.set_kind(std::string(name_of(error.kind)));
  out.set_message(error.message);
  return out;
}

Error from_wire(const wire::Failure& failure) {
  for (int i = 0; i <= static_cast<int>(ErrorKind::kInternal); ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    if (name_of(kind) == failure.kind()) return {kind, failure.message()};
  }
  return {ErrorKind::kInternal, failure.message()};
}

}  // namespace sluice::queue
