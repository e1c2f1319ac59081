#include "queue/queuectl/snapshot.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "queue/control/client.h"
#include "queue/control_page.h"
#include "queue/damage_advice.h"
#include "queue/disk_forecast.h"
#include "queue/file_lock.h"
#include "queue/unaccounted.h"

namespace sluice::queue {
namespace {

constexpr int kTriesMax = 10;
// A daemon writes its note each second; an older one is of one that has ended, or hangs.
constexpr std::int64_t kNoteFreshMs = 10'000;
// From so many places in a backlog, and so many records in each, its size is told.
constexpr std::uint64_t kSamples = 8;
constexpr ReadLimits kSample{.records_max = 16, .bytes_max = 1U << 20};

DaemonStatus daemon_status(const std::filesystem::path& lock, const std::filesystem::path& page,
                           Timestamp now) {
  DaemonStatus status;
  status.note = read_daemon_note(page);
  const std::int64_t age_ms = status.note ? to_unix_ms(now) - status.note->noted_ms : kNoteFreshMs;
  const bool is_fresh = age_ms < kNoteFreshMs;
  if (const auto holder = FileLock::holder(lock)) {
    status.running = holder->has_value();
    status.pid = holder->value_or(0);
  } else if (is_fresh) {
    // Who may not look at the lock can see that its holder writes.
    status.running = true;
    status.pid = static_cast<int>(status.note->pid);
  }
  status.is_note_current = is_fresh && status.running.value_or(false);
  return status;
}

// Of the bodies, from some of them; exact where there are few. Nothing: they cannot be read.
std::optional<std::uint64_t> bytes_of(Reader* reader, Lane lane, SeqRange range) {
  const std::uint64_t count = range.count();
  const std::uint64_t places = std::min(kSamples, count / kSample.records_max + 1);
  std::uint64_t seen = 0;
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < places; ++i) {
    const auto batch = reader->read(lane, range.first + count / places * i, kSample);
    if (!batch) return std::nullopt;
    for (const StoredRecord& stored : batch->records()) {
      if (stored.seq > range.last) break;
      ++seen;
      bytes += stored.record.body.size();
    }
  }
  if (seen == 0) return std::nullopt;
  return static_cast<std::uint64_t>(static_cast<double>(bytes) / static_cast<double>(seen) *
                                    static_cast<double>(count));
}

std::optional<double> rate_of(const DaemonStatus& daemon, Lane lane) {
  // One that does not run moves nothing.
  if (daemon.running == false) return 0;
  if (!daemon.is_note_current) return std::nullopt;
  return static_cast<double>(daemon.note->rate_milli[lane]) / 1000;
}

std::int64_t difference(std::uint64_t larger, std::uint64_t smaller) {
  return static_cast<std::int64_t>(larger - smaller);
}

// When the record was fetched. One that is damaged is told of, and keeps nothing else back.
Result<std::optional<std::int64_t>> fetched_at(Reader* reader, Lane lane, Seq seq,
                                               std::string* damage) {
  const auto found = reader->read(lane, seq, {1, 1});
  if (!found) {
    const ErrorKind kind = found.error().kind;
    if (kind != ErrorKind::kCorrupt && kind != ErrorKind::kHole) return fail(found.error());
    *damage = found.error().message;
    return std::nullopt;
  }
  if (found->empty()) return std::nullopt;
  return found->records().front().record.fetched_at_ms;
}

// `durable` was read before the ledger, so the ledger must have counted at least as much.
Result<LaneStatus> queue_status(Reader* reader, Lane lane, const QueueView& view,
                                const LedgerRow& queued) {
  LaneStatus status;
  status.fetched = view.durable[lane];
  status.filtered = queued.filtered;
  status.duplicates = queued.duplicates;
  status.floor = view.floor[lane];
  SLUICE_ASSIGN(status.kept_since_ms, fetched_at(reader, lane, status.floor, &status.damage));
  return status;
}

Result<void> add_delivery(Reader* reader, Lane lane, const LedgerRow& queued,
                          const DeliveryView& delivery, LaneStatus* lane_status) {
  LaneStatus& status = *lane_status;
  const Seq durable = status.fetched;
  const LedgerRow delivered = total_of(delivery.ledger, lane);
  const LaneProgress& progress = delivery.progress[lane];
  status.position = progress.position;
  status.voided = progress.voided;
  status.acknowledged = delivered.acknowledged;
  status.dead = delivered.dead;
  status.skipped = delivered.skipped;
  status.gap = delivered.gap;
  const std::uint64_t done = progress.position + progress.completed_count();
  status.backlog = durable > done ? durable - done : 0;
  status.unaccounted = unaccounted(durable, status.backlog, delivered);
  if (queued.queued < durable) status.unaccounted += difference(durable, queued.queued);
  if (progress.acknowledged_at_ms != 0) status.acknowledged_ms = progress.acknowledged_at_ms;
  if (status.backlog > 0) {
    // What is trimmed was delivered, also where the store that says so is gone.
    const Seq oldest = std::max(progress.position + 1, status.floor);
    SLUICE_ASSIGN(status.oldest_ms, fetched_at(reader, lane, oldest, &status.damage));
    status.backlog_bytes =
        bytes_of(reader, lane, {std::max(durable - status.backlog + 1, status.floor), durable});
  }
  return {};
}

std::optional<std::uint64_t> published_repeats(const InstancePaths& paths, const Id128& queue_id) {
  PageReader reader(paths.shipper_page(), PageRole::kShipper);
  const auto payload = reader.read();
  const auto page = payload ? decode_shipper_page(*payload) : std::nullopt;
  if (!page || page->queue_id != queue_id || page->crash_repeats_max == 0) return std::nullopt;
  return page->crash_repeats_max;
}

// Asked last and apart: the rest is to be seen without it, too.
std::optional<SinkReport> ask_shipper(const InstancePaths& paths) {
  auto client = ControlClient::connect(paths.control_socket());
  if (!client) return std::nullopt;
  auto status = client->status();
  if (!status) return std::nullopt;
  return std::move(status->sink);
}

Result<DiskStatus> disk_status(Access* access, const Reader& reader, const QueueView& view,
                               const PerLane<Seq>& position) {
  DiskStatus disk;
  SLUICE_ASSIGN(disk.space, file_system_space(access->paths().queue()));
  disk.used = folder_bytes(access->paths().queue());
  SLUICE_ASSIGN(const auto rows, reader.history());
  disk.trimmable = trimmable_bytes(disk.used, view.durable, view.floor, position);
  disk.bytes_a_day = bytes_a_day(rows, view.durable, view.floor, disk.used);
  return disk;
}

Result<Snapshot> try_snapshot(Access* access) {
  Snapshot snapshot;
  snapshot.taken = system_clock().now();
  // Delivery first: what is fetched while we look then only adds to the backlog.
  DeliveryView delivery;
  if (auto read = access->delivery()) {
    delivery = std::move(*read);
    SLUICE_ASSIGN(snapshot.replays, access->replays());
    SLUICE_TRY(visit_letters(access, {}, [&](const ListedLetter& listed) {
      snapshot.letters.add(listed);
      return true;
    }));
  } else if (read.error().kind != ErrorKind::kNotFound) {
    snapshot.delivery_problem = advise_on_store(read.error(), access->paths());
  }
  SLUICE_ASSIGN(Reader * reader, access->reader());
  SLUICE_ASSIGN(const QueueView view, reader->view());
  SLUICE_ASSIGN(snapshot.ledger, reader->ledger());
  snapshot.queue_id = view.queue_id;
  snapshot.cluster = view.cluster;
  snapshot.read_up_to = view.read_up_to;
  snapshot.epoch = view.epochs.back().epoch.number;
  const InstancePaths& paths = access->paths();
  snapshot.fetcher = daemon_status(paths.queue_lock(), paths.fetcher_page(), snapshot.taken);
  snapshot.shipper = daemon_status(paths.delivery_lock(), paths.shipper_page(), snapshot.taken);
  for (const Lane lane : kLanes) {
    const LedgerRow queued = total_of(snapshot.ledger, lane);
    SLUICE_ASSIGN(snapshot.lanes[lane], queue_status(reader, lane, view, queued));
    if (!snapshot.delivery_problem) {
      SLUICE_TRY(add_delivery(reader, lane, queued, delivery, &snapshot.lanes[lane]));
    }
    snapshot.lanes[lane].in_per_second = rate_of(snapshot.fetcher, lane);
    snapshot.lanes[lane].out_per_second = rate_of(snapshot.shipper, lane);
    std::string& damage = snapshot.lanes[lane].damage;
    if (!damage.empty()) {
      damage = advise_on_queue({ErrorKind::kCorrupt, damage}, access->paths()).message;
    }
  }
  PerLane<Seq> position;
  for (const Lane lane : kLanes) position[lane] = delivery.progress[lane].position;
  SLUICE_ASSIGN(snapshot.disk, disk_status(access, *reader, view, position));
  add_to(&snapshot.ledger, delivery.ledger);
  snapshot.crash_repeats_max = published_repeats(access->paths(), view.queue_id);
  return snapshot;
}

}  // namespace

std::optional<std::chrono::milliseconds> drained_in(const LaneStatus& lane) {
  const double speed = lane.out_per_second.value_or(0) - lane.in_per_second.value_or(0);
  if (lane.backlog == 0 || speed <= 0) return std::nullopt;
  constexpr double kYearsMs = 100 * 365.0 * 86'400'000;
  const double ms = static_cast<double>(lane.backlog) / speed * 1000;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(ms, kYearsMs)));
}

Result<Snapshot> take_snapshot(Access* access) {
  for (int i = 1;; ++i) {
    auto snapshot = try_snapshot(access);
    if (snapshot) {
      snapshot->sink = ask_shipper(access->paths());
      return snapshot;
    }
    // The fetcher may be opening or trimming the queue at this very moment.
    const ErrorKind kind = snapshot.error().kind;
    const bool may_pass =
        kind == ErrorKind::kEpochChanged || kind == ErrorKind::kBusy || kind == ErrorKind::kTrimmed;
    if (!may_pass || i == kTriesMax) return snapshot;
    std::this_thread::sleep_for(std::chrono::milliseconds(20) * i);
  }
}

}  // namespace sluice::queue
