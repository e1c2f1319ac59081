#include "queue/queuectl/snapshot.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "queue/control/client.h"
#include "queue/control_page.h"
#include "queue/damage_advice.h"
#include "queue/file_lock.h"

namespace sluice::queue {
namespace {

constexpr int kTriesMax = 10;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kRateSpanMinMs = 600'000;  // a shorter time says little

DaemonStatus daemon_status(const std::filesystem::path& lock) {
  const auto holder = FileLock::holder(lock);
  if (!holder) return {};
  return {holder->has_value(), holder->value_or(0)};
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
Result<LaneStatus> lane_status(Reader* reader, Lane lane, const QueueView& view,
                               const Ledger& queue_ledger, const DeliveryView& delivery) {
  const Seq durable = view.durable[lane];
  const LedgerRow queued = total_of(queue_ledger, lane);
  const LedgerRow delivered = total_of(delivery.ledger, lane);
  const LaneProgress& progress = delivery.progress[lane];
  LaneStatus status;
  status.fetched = durable;
  status.filtered = queued.filtered;
  status.duplicates = queued.duplicates;
  status.position = progress.position;
  status.floor = view.floor[lane];
  status.voided = progress.voided;
  status.acknowledged = delivered.acknowledged;
  status.dead = delivered.dead;
  status.skipped = delivered.skipped;
  status.gap = delivered.gap;
  const std::uint64_t done = progress.position + progress.completed_count();
  status.backlog = durable > done ? durable - done : 0;
  const std::uint64_t sum =
      status.acknowledged + status.backlog + status.dead + status.skipped + status.gap;
  status.unaccounted = difference(durable, sum);
  if (queued.queued < durable) status.unaccounted += difference(durable, queued.queued);
  if (progress.acknowledged_at_ms != 0) status.acknowledged_ms = progress.acknowledged_at_ms;
  if (status.backlog > 0) {
    SLUICE_ASSIGN(status.oldest_ms,
                  fetched_at(reader, lane, progress.position + 1, &status.damage));
  }
  SLUICE_ASSIGN(status.kept_since_ms, fetched_at(reader, lane, status.floor, &status.damage));
  return status;
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

std::uint64_t total(const PerLane<Seq>& numbers) {
  return numbers[Lane::kAudit] + numbers[Lane::kSession];
}

// From how many events came in the last day, and how large those are that are kept.
std::optional<std::uint64_t> bytes_a_day(const std::vector<HistoryRow>& rows, const QueueView& view,
                                         std::uint64_t used) {
  if (rows.empty()) return std::nullopt;
  const HistoryRow& newest = rows.back();
  const auto within_a_day = [&](const HistoryRow& row) {
    return newest.time_ms - row.time_ms <= kDayMs;
  };
  const HistoryRow& first = *std::find_if(rows.begin(), rows.end(), within_a_day);
  const std::int64_t span_ms = newest.time_ms - first.time_ms;
  const std::uint64_t kept = total(view.durable) + kLaneCount - total(view.floor);
  if (span_ms < kRateSpanMinMs || kept == 0 || total(newest.durable) <= total(first.durable)) {
    return std::nullopt;
  }
  const auto events = static_cast<double>(total(newest.durable) - total(first.durable));
  const double event_bytes = static_cast<double>(used) / static_cast<double>(kept);
  return static_cast<std::uint64_t>(events * event_bytes * kDayMs / static_cast<double>(span_ms));
}

Result<DiskStatus> disk_status(Access* access, const Reader& reader, const QueueView& view) {
  DiskStatus disk;
  SLUICE_ASSIGN(disk.space, file_system_space(access->paths().queue()));
  disk.used = folder_bytes(access->paths().queue());
  SLUICE_ASSIGN(const auto rows, reader.history());
  disk.bytes_a_day = bytes_a_day(rows, view, disk.used);
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
  snapshot.fetcher = daemon_status(access->paths().queue_lock());
  snapshot.shipper = daemon_status(access->paths().delivery_lock());
  for (const Lane lane : kLanes) {
    SLUICE_ASSIGN(snapshot.lanes[lane], lane_status(reader, lane, view, snapshot.ledger, delivery));
    std::string& damage = snapshot.lanes[lane].damage;
    if (!damage.empty()) {
      damage = advise_on_queue({ErrorKind::kCorrupt, damage}, access->paths()).message;
    }
  }
  SLUICE_ASSIGN(snapshot.disk, disk_status(access, *reader, view));
  add_to(&snapshot.ledger, delivery.ledger);
  snapshot.crash_repeats_max = published_repeats(access->paths(), view.queue_id);
  return snapshot;
}

}  // namespace

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
