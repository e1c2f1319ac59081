#include "queue/trimmer.h"

#include <fmt/format.h>
#include <rocksdb/convenience.h>

#include <algorithm>
#include <array>
#include <utility>

#include "queue/disk_forecast.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookInterval{1'000};
constexpr milliseconds kRowIntervalMin{1'000};
constexpr milliseconds kRowIntervalMax{60'000};
constexpr int kRowsPerRetention = 10;
constexpr milliseconds kThinningInterval{24 * 3'600'000};
// Below this, nothing is written that can be left out.
constexpr std::uint64_t kRoomForRows = 1U << 20;
// Looking at the folder may take one part in this many of the time.
constexpr int kScanShare = 1'000;

Seq number_of(const std::string& key) {
  ByteReader reader(key);
  return reader.big<Seq>();
}

milliseconds row_interval(milliseconds retention) {
  if (retention.count() == 0) return kRowIntervalMax;
  return std::clamp(retention / kRowsPerRetention, kRowIntervalMin, kRowIntervalMax);
}

std::uint64_t beyond(std::uint64_t value, std::uint64_t limit) {
  return value > limit ? value - limit : 0;
}

}  // namespace

Result<std::unique_ptr<Trimmer>> Trimmer::load(TrimmerParts parts, Database* database) {
  SLUICE_ASSIGN(const auto rows, read_history(*database));
  std::unique_ptr<Trimmer> trimmer(new Trimmer(std::move(parts), database, rows));
  SLUICE_TRY(trimmer->load_floor());
  SLUICE_TRY(trimmer->load_erased());
  return trimmer;
}

Trimmer::Trimmer(TrimmerParts parts, Database* database, const std::vector<HistoryRow>& rows)
    : parts_(std::move(parts)),
      database_(database),
      clock_(*parts_.clock),
      history_(parts_.limits.retention, rows),
      shipper_(parts_.paths.shipper_page(), PageRole::kShipper),
      ballast_(parts_.paths.queue_ballast(), parts_.plan.wal_bytes_max),
      gauge_(parts_.plan),
      eraser_(database) {
  for (const Lane lane : kLanes) floor_[lane] = erased_[lane] = 1;
  for (const HistoryRow& row : rows) remember(row);
}

Result<void> Trimmer::load_floor() {
  SLUICE_ASSIGN(const auto row, database_->newest(kDefaultFamily, kFloorPrefix));
  if (!row) return {};
  const auto numbers = decode_lane_numbers(row->value);
  if (!numbers) {
    return fail(ErrorKind::kCorrupt, fmt::format("the floor row of the queue at {} cannot be read",
                                                 parts_.paths.queue().string()));
  }
  floor_ = *numbers;
  floor_version_ = row->version;
  return {};
}

// The wall clock can only make erasing begin too early, which harms nothing.
Result<void> Trimmer::load_erased() {
  SLUICE_ASSIGN(const auto row, database_->newest(kDefaultFamily, kErasedPrefix));
  if (!row) return {};
  ByteReader reader(row->value);
  const auto numbers = decode_lane_numbers(reader.bytes(kLaneNumbersBytes));
  const auto at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  if (!numbers || !reader.finished()) {
    return fail(ErrorKind::kCorrupt, fmt::format("the erased row of the queue at {} cannot be read",
                                                 parts_.paths.queue().string()));
  }
  erased_ = *numbers;
  erased_version_ = row->version;
  const milliseconds pause = parts_.limits.erase_within / 2;
  const milliseconds passed(moment().unix_ms - at_ms);
  next_erasing_ = clock_.monotonic() + std::clamp(pause - passed, milliseconds(0), pause);
  return {};
}

void Trimmer::put_erased(const PerLane<Seq>& numbers, std::int64_t at_ms,
                         rocksdb::WriteBatch* batch) {
  std::string value = encode_lane_numbers(numbers);
  put_little(&value, static_cast<std::uint64_t>(at_ms));
  batch->Put(versioned_key(kErasedPrefix, erased_version_ + 1), value);
  if (erased_version_ > 0) batch->Delete(versioned_key(kErasedPrefix, erased_version_));
}

// Twice in the time that is allowed, so that what is trimmed right after one erasing is gone in
// time by the next. It takes room for a while, so it waits where there is little.
Result<void> Trimmer::erase() {
  if (auto done = eraser_.take_result()) {
    if (!*done && done->error().kind != ErrorKind::kStopped) return fail(done->error());
    if (*done) SLUICE_TRY(note_erased(**done));
  }
  const DiskPlan& plan = parts_.plan;
  const std::uint64_t takes = 2 * (plan.record_file_bytes[Lane::kAudit] + plan.wal_bytes_max);
  if (eraser_.running() || clock_.monotonic() < next_erasing_ || erased_ == floor_ ||
      usage_.free < plan.min_free + takes) {
    return {};
  }
  next_erasing_ = clock_.monotonic() + parts_.limits.erase_within / 2;
  erasing_since_ms_ = moment().unix_ms;
  rocksdb::WriteBatch batch;
  eraser_.put_deletions(floor_, &batch);
  SLUICE_TRY(parts_.write(&batch));
  eraser_.start(floor_);
  return {};
}

Result<void> Trimmer::note_erased(const PerLane<Seq>& numbers) {
  rocksdb::WriteBatch batch;
  put_erased(numbers, erasing_since_ms_, &batch);
  SLUICE_TRY(parts_.write(&batch));
  ++erased_version_;
  erased_ = numbers;
  next_scan_ = {};
  return {};
}

Moment Trimmer::moment() const {
  return {to_unix_ms(clock_.now()), static_cast<std::uint64_t>(clock_.boottime().count())};
}

void Trimmer::begin(const Id128& queue_id, const Epoch& epoch, const PerLane<Seq>& durable,
                    rocksdb::WriteBatch* batch) {
  queue_id_ = queue_id;
  epoch_ = epoch;
  durable_ = durable;
  PerLane<Seq> position = history_.position();
  for (const Lane lane : kLanes) position[lane] = std::min(position[lane], durable[lane]);
  opening_row_ = history_.next_row(moment(), position, durable);
  put_history_row(*database_, opening_row_, batch);
}

void Trimmer::begun() {
  history_.add(opening_row_);
  remember(opening_row_);
  next_row_ = clock_.monotonic() + row_interval(parts_.limits.retention);
}

bool Trimmer::is_due(std::uint64_t appended_bytes) const {
  return clock_.monotonic() >= next_look_ ||
         appended_bytes - appended_at_look_ >= parts_.plan.wal_bytes_max / 4;
}

Result<void> Trimmer::tend(const PerLane<Seq>& durable, std::optional<Id128> delivery_id,
                           std::uint64_t appended_bytes) {
  next_look_ = clock_.monotonic() + kLookInterval;
  appended_at_look_ = appended_bytes;
  durable_ = durable;
  delivery_id_ = delivery_id;
  measure(appended_bytes);
  // Trimming needs a little room itself, for the row that says how far.
  if (usage_.free < kRoomForRows && ballast_.release()) measure(appended_bytes);
  const auto page = trusted_page();
  if (usage_.free >= kRoomForRows) {
    SLUICE_TRY(note_history(page));
    if (page) SLUICE_TRY(trim(*page));
  }
  if (delete_due_ || room_needed().any()) SLUICE_TRY(delete_files());
  SLUICE_TRY(erase());
  ballast_.make(std::max(parts_.plan.min_free, parts_.plan.wal_bytes_max));
  full_ = gauge_.update(usage_);
  forecast(page ? page->position : history_.position());
  return {};
}

// Looking at every file costs a microsecond or two for each, so that it is done less often where
// there are many; in between, what was appended is added.
void Trimmer::measure(std::uint64_t appended_bytes) {
  const auto space = file_system_space(parts_.paths.queue());
  usage_.free = space ? space->free : 0;
  if (clock_.monotonic() >= next_scan_) {
    const auto begin = std::chrono::steady_clock::now();
    scanned_bytes_ = folder_bytes(parts_.paths.queue());
    const auto took = std::chrono::duration_cast<milliseconds>(
        (std::chrono::steady_clock::now() - begin) * kScanShare);
    next_scan_ = clock_.monotonic() + std::max(kLookInterval, took);
    appended_at_scan_ = appended_bytes;
  }
  usage_.used = scanned_bytes_ + appended_bytes - appended_at_scan_;
  for (const Lane lane : kLanes) {
    std::uint64_t files = 0;
    std::uint64_t memory = 0;
    auto* family = database_->family(name_of(lane));
    database_->db().GetIntProperty(family, rocksdb::DB::Properties::kLiveSstFilesSize, &files);
    database_->db().GetIntProperty(family, rocksdb::DB::Properties::kCurSizeAllMemTables, &memory);
    usage_.lane[lane] = files + memory;
  }
}

void Trimmer::remember(const HistoryRow& row) {
  constexpr std::int64_t kDayMs = 86'400'000;
  last_day_.push_back(row);
  std::erase_if(last_day_,
                [&](const HistoryRow& old) { return row.time_ms - old.time_ms > kDayMs; });
}

void Trimmer::forecast(const PerLane<Seq>& position) {
  full_in_ = queue::full_in(bytes_a_day(last_day_, durable_, floor_, usage_.used), usage_.used,
                            trimmable_bytes(usage_.used, durable_, floor_, position),
                            {.size = 0, .free = usage_.free}, parts_.plan);
}

std::optional<ShipperPage> Trimmer::trusted_page() const {
  const auto payload = shipper_.read();
  auto page = payload ? decode_shipper_page(*payload) : std::nullopt;
  if (!page || page->queue_id != queue_id_ || page->epoch != epoch_ ||
      page->boot_id != parts_.boot_id || (delivery_id_ && page->delivery_id != *delivery_id_)) {
    return std::nullopt;
  }
  const bool possible = std::all_of(kLanes.begin(), kLanes.end(), [&](Lane lane) {
    return page->position[lane] <= durable_[lane];
  });
  if (!possible) return std::nullopt;
  return page;
}

Result<void> Trimmer::note_history(const std::optional<ShipperPage>& page) {
  if (clock_.monotonic() < next_row_) return {};
  rocksdb::WriteBatch batch;
  const HistoryRow row =
      history_.next_row(moment(), page ? page->position : history_.position(), durable_);
  put_history_row(*database_, row, &batch);
  if (clock_.monotonic() >= next_thinning_) {
    SLUICE_TRY(
        thin_history(*database_, parts_.limits.retention, row.time_ms, &thinned_to_ms_, &batch));
    next_thinning_ = clock_.monotonic() + kThinningInterval;
  }
  SLUICE_TRY(parts_.write(&batch));
  history_.add(row);
  remember(row);
  next_row_ = clock_.monotonic() + row_interval(parts_.limits.retention);
  return {};
}

RoomNeeded Trimmer::room_needed() const {
  const DiskPlan& plan = parts_.plan;
  RoomNeeded needed;
  needed.total = std::max(beyond(usage_.used, plan.trim_above()),
                          plan.min_free > 0 ? beyond(plan.trim_free_below(), usage_.free) : 0);
  needed.lane[Lane::kSession] = beyond(usage_.lane[Lane::kSession], plan.trim_session_above());
  return needed;
}

std::vector<KeptFile> Trimmer::whole_files(Lane lane) const {
  rocksdb::ColumnFamilyMetaData meta;
  database_->db().GetColumnFamilyMetaData(database_->family(name_of(lane)), &meta);
  std::vector<KeptFile> files;
  for (const rocksdb::LevelMetaData& level : meta.levels) {
    if (level.level == 0) continue;  // RocksDB deletes no whole files there
    for (const rocksdb::SstFileMetaData& file : level.files) {
      if (file.being_compacted) continue;
      files.push_back({number_of(file.smallestkey), number_of(file.largestkey), file.size});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const KeptFile& a, const KeptFile& b) { return a.last < b.last; });
  return files;
}

PerLane<LaneRetention> Trimmer::retention_of(const ShipperPage& page) {
  PerLane<Seq> aged = history_.aged(moment());
  // Not only what the last row has.
  if (parts_.limits.retention.count() == 0) aged = page.position;
  PerLane<LaneRetention> lanes;
  for (const Lane lane : kLanes) {
    lanes[lane] = {.floor = floor_[lane],
                   .position = page.position[lane],
                   .hold = page.hold[lane],
                   .aged = std::min(aged[lane], page.position[lane])};
  }
  return lanes;
}

// What is not held first; what is held only if that is not enough.
void Trimmer::find_size_edges(PerLane<LaneRetention>* lanes) const {
  RoomNeeded needed = room_needed();
  if (!needed.any()) return;
  PerLane<std::vector<KeptFile>> files;
  PerLane<Seq> unheld;
  PerLane<Seq> acknowledged;
  for (const Lane lane : kLanes) {
    files[lane] = whole_files(lane);
    acknowledged[lane] = (*lanes)[lane].position + 1;
    unheld[lane] = std::min(acknowledged[lane], (*lanes)[lane].hold);
  }
  const PerLane<Seq> edges = size_edges(files, unheld, &needed);
  for (const Lane lane : kLanes) {
    (*lanes)[lane].size_edge = edges[lane];
    std::erase_if(files[lane], [&](const KeptFile& file) { return file.last < edges[lane]; });
  }
  if (!needed.any()) return;
  const PerLane<Seq> forced = size_edges(files, acknowledged, &needed);
  for (const Lane lane : kLanes) (*lanes)[lane].forced_edge = forced[lane];
}

Result<void> Trimmer::trim(const ShipperPage& page) {
  PerLane<LaneRetention> lanes = retention_of(page);
  find_size_edges(&lanes);
  PerLane<Seq> wanted;
  for (const Lane lane : kLanes) wanted[lane] = next_floor(lanes[lane]);
  if (wanted == floor_) return {};
  return settle_floor(lanes, wanted);
}

Result<void> Trimmer::settle_floor(PerLane<LaneRetention> lanes, const PerLane<Seq>& wanted) {
  parts_.publish(wanted);
  if (parts_.after_intent) parts_.after_intent();
  const auto page = trusted_page();
  PerLane<Seq> settled = floor_;
  if (page) {
    for (const Lane lane : kLanes) {
      lanes[lane].position = page->position[lane];
      lanes[lane].hold = page->hold[lane];
      settled[lane] = std::min(wanted[lane], next_floor(lanes[lane]));
    }
  }
  if (settled != wanted) parts_.publish(settled);
  if (settled == floor_) return {};
  SLUICE_TRY(write_floor(settled));
  return delete_files();
}

Result<void> Trimmer::write_floor(const PerLane<Seq>& floor) {
  rocksdb::WriteBatch batch;
  batch.Put(floor_key(floor_version_ + 1), encode_lane_numbers(floor));
  if (floor_version_ > 0) batch.Delete(floor_key(floor_version_));
  // The time that is allowed for erasing counts from the first trim.
  const bool is_first = erased_version_ == 0;
  if (is_first) put_erased(erased_, moment().unix_ms, &batch);
  SLUICE_TRY(parts_.write(&batch));
  if (is_first) {
    ++erased_version_;
    next_erasing_ = clock_.monotonic() + parts_.limits.erase_within / 2;
  }
  ++floor_version_;
  floor_ = floor;
  delete_due_ = true;
  return {};
}

// The numbers below the floor are gone for every reader already.
Result<void> Trimmer::delete_files() {
  for (const Lane lane : kLanes) {
    if (floor_[lane] <= 1) continue;
    const std::string begin = record_key(0);
    const std::string end = record_key(floor_[lane]);
    const rocksdb::Slice first(begin);
    const rocksdb::Slice limit(end);
    const rocksdb::RangePtr range(&first, &limit);
    const rocksdb::Status status = rocksdb::DeleteFilesInRanges(
        &database_->db(), database_->family(name_of(lane)), &range, 1, /*include_end=*/false);
    if (!status.ok()) {
      return fail(database_error("delete trimmed files of", database_->path(), status));
    }
  }
  delete_due_ = false;
  next_scan_ = {};
  return {};
}

void Trimmer::release_room() {
  ballast_.release();
  // Should it fail now, it is done again after the next opening.
  [[maybe_unused]] const auto deleted = delete_files();
}

}  // namespace sluice::queue
