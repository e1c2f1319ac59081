#include "queue/repair.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <rocksdb/write_batch.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "common/files.h"
#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/delivery_schema.h"
#include "queue/file_lock.h"
#include "queue/folder_owner.h"
#include "queue/format_file.h"
#include "queue/journal.h"
#include "queue/ledger_store.h"
#include "queue/queue_schema.h"
#include "queue/salvage.h"

namespace sluice::queue {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBatchBytesMax = 4U << 20;
constexpr std::uint64_t kRoomBeside = 64U << 20;  // for what the new database has besides rows
constexpr std::uint64_t kProgressEvery = 10'000;

// "20261123T025841Z": sorts, and is a file name everywhere.
std::string compact_time(Timestamp now) {
  std::string text = format_rfc3339({now.seconds, 0});
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

Result<void> rename_path(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return fail(errno_error("rename " + from.string() + " to", to.string()));
}

Result<void> remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return {};
  return fail(ErrorKind::kIo, fmt::format("cannot remove {}: {}", path.string(), error.message()));
}

Result<std::uint64_t> size_of_files(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code ignored;
    if (entry.is_regular_file(ignored)) bytes += entry.file_size(ignored);
  }
  if (!error) return bytes;
  return fail(ErrorKind::kIo,
              fmt::format("cannot list the folder {}: {}", folder.string(), error.message()));
}

// Writes without a log, since it is flushed as a whole before anything depends on it.
class BulkWriter {
 public:
  explicit BulkWriter(Database* database) : database_(database) {}

  Result<void> put(std::string_view family, std::string_view key, std::string_view value) {
    if (database_ == nullptr) return {};  // a dry run
    batch_.Put(database_->family(family), rocksdb::Slice(key), rocksdb::Slice(value));
    return batch_.GetDataSize() < kBatchBytesMax ? Result<void>() : write();
  }

  Result<void> finish() {
    if (database_ == nullptr) return {};
    SLUICE_TRY(write());
    for (const auto& family : queue_families()) {
      if (!database_->has_family(family.name)) continue;
      const rocksdb::Status status =
          database_->db().Flush(rocksdb::FlushOptions(), database_->family(family.name));
      if (!status.ok()) return fail(database_error("write", database_->path(), status));
    }
    return {};
  }

 private:
  Result<void> write() {
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    const rocksdb::Status status = database_->db().Write(options, &batch_);
    batch_.Clear();
    if (!status.ok()) return fail(database_error("write to", database_->path(), status));
    return {};
  }

  Database* database_;
  rocksdb::WriteBatch batch_;
};

class Repairer {
 public:
  explicit Repairer(const RepairOptions& options)
      : options_(options),
        paths_(options.paths),
        now_((options.clock != nullptr ? *options.clock : system_clock()).now()),
        work_(paths_.queue_repair()) {}

  Result<RepairReport> run();

 private:
  Result<void> before(std::string_view step) const {
    return options_.step ? options_.step(step) : Result<void>();
  }
  Result<void> look_at_delivery();
  Result<void> repair();
  Result<bool> finish_interrupted();
  Result<void> check_format_file();
  Result<void> check_room();
  Result<void> build();
  Result<void> read_facts(Salvage* salvage);
  Result<void> read_epoch_rows(Salvage* salvage);
  void add_epochs_of_records(const std::map<std::uint64_t, PerLane<Seq>>& seen);
  Result<void> read_ledger_rows(Salvage* salvage);
  Result<void> mend_state(Salvage* salvage);
  Result<void> copy_lane(Salvage* salvage, Lane lane, BulkWriter* out);
  Result<void> write_gaps(Lane lane, SeqRange numbers, BulkWriter* out);
  Result<void> mend_ledger(Lane lane);
  Seq raise_floor(Lane lane, Seq first);
  void set_floor_row();
  Result<void> copy_rows(Salvage* salvage, BulkWriter* out);
  Result<void> swap();
  Result<void> finish_swap();
  Result<void> write_journal();
  void note(std::string sentence) { report_.notes.push_back(std::move(sentence)); }

  const RepairOptions& options_;
  const InstancePaths& paths_;
  const Timestamp now_;
  const fs::path work_;
  int version_ = kFormatVersion;
  bool has_format_ = true;
  bool keeps_state_ = true;
  RepairReport report_;
  std::optional<FileLock> queue_lock_;
  std::optional<FileLock> delivery_lock_;
  // As the delivery store knows them.
  std::vector<EpochRow> delivery_epochs_;
  std::optional<Id128> delivery_id_;
  std::optional<Binding> binding_;
  // As the queue does.
  Id128 queue_id_;
  std::vector<EpochRow> epochs_;
  std::optional<FetcherPage> page_;
  std::map<std::string, std::string> state_;
  PerLane<Seq> floor_;
  PerLane<Seq> covered_;  // by the state or the ledger
  Ledger counted_;        // of the records that are kept
  std::map<LedgerKey, std::pair<std::uint64_t, std::string>> ledger_;
  Timestamp gap_time_;
};

Result<RepairReport> Repairer::run() {
  SLUICE_TRY(look_at_delivery());
  {
    SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.queue()));
    SLUICE_ASSIGN(FileLock taken, FileLock::take(paths_.queue_lock(), "the queue"));
    queue_lock_.emplace(std::move(taken));
    SLUICE_TRY(repair());
  }
  if (!options_.dry_run && !report_.was_finished) {
    if (const auto written = write_journal(); !written) {
      note("the journal could not be written: " + written.error().message);
    }
  }
  return std::move(report_);
}

// The store has a copy of the queue's epochs and is named in it. Its lock keeps the shipper out.
Result<void> Repairer::look_at_delivery() {
  std::error_code ignored;
  if (!fs::exists(paths_.sink(), ignored)) return {};
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.sink()));
  SLUICE_ASSIGN(FileLock taken, FileLock::take(paths_.delivery_lock(), "the delivery store"));
  delivery_lock_.emplace(std::move(taken));
  if (!check_format(paths_.sink(), kDeliveryFormat)) return {};
  const fs::path scratch = paths_.sink() / "repair";
  const auto opened = Database::open_secondary(paths_.delivery_db(), scratch, delivery_families());
  if (opened) {
    if (const auto rows = read_epochs(**opened)) delivery_epochs_ = *rows;
    if (const auto id = (*opened)->get(kDefaultFamily, kStoreIdKey); id && *id) {
      delivery_id_ = id_from_bytes(**id);
    }
    if (const auto bound = (*opened)->newest(kDefaultFamily, kBindingPrefix); bound && *bound) {
      if (const auto decoded = decode_binding((*bound)->value)) binding_ = *decoded;
    }
  } else {
    note("the delivery store cannot be read: " + opened.error().message);
  }
  fs::remove_all(scratch, ignored);
  return {};
}

Result<void> Repairer::repair() {
  SLUICE_ASSIGN(report_.was_finished, finish_interrupted());
  if (report_.was_finished) return {};
  SLUICE_TRY(check_format_file());
  SLUICE_TRY(check_room());
  auto built = build();
  if (!built || options_.dry_run) {
    // A stopped test leaves what a kill leaves.
    if (built || built.error().kind != ErrorKind::kStopped) SLUICE_TRY(remove_tree(work_));
    return built;
  }
  SLUICE_TRY(swap());
  if (!has_format_) SLUICE_TRY(write_format(paths_.queue(), kQueueFormat));
  return {};
}

// True: an earlier run had made the new queue and put it in place; the rest is done now.
Result<bool> Repairer::finish_interrupted() {
  const fs::path db = paths_.queue_db();
  if (fs::exists(db / kRepairedMark)) {
    SLUICE_TRY(finish_swap());
    return true;
  }
  // Without a way to exchange two names at once, there is a moment without a database.
  if (!fs::exists(db) && fs::exists(work_ / "db" / kRepairedMark)) {
    SLUICE_TRY(rename_path(work_ / "db", db));
    SLUICE_TRY(finish_swap());
    return true;
  }
  SLUICE_TRY(remove_tree(work_));
  return false;
}

Result<void> Repairer::check_format_file() {
  const auto format = check_format(paths_.queue(), kQueueFormat);
  if (format) {
    version_ = *format;
    return {};
  }
  if (format.error().kind == ErrorKind::kFormat) return fail(format.error());
  if (!fs::exists(paths_.queue_db())) {
    return fail(ErrorKind::kNotFound,
                fmt::format("there is no database at {}: restore it from a backup",
                            paths_.queue_db().string()));
  }
  note(fmt::format("{} was missing or damaged and is written anew",
                   (paths_.queue() / "FORMAT").string()));
  has_format_ = false;
  return {};
}

Result<void> Repairer::check_room() {
  SLUICE_ASSIGN(const std::uint64_t bytes, size_of_files(paths_.queue_db()));
  report_.bytes_needed = bytes + bytes / 10 + kRoomBeside;
  struct statvfs info{};
  if (::statvfs(paths_.queue().c_str(), &info) != 0) {
    return fail(errno_error("look at the file system of", paths_.queue().string()));
  }
  const std::uint64_t room = std::uint64_t{info.f_bavail} * info.f_frsize;
  if (room >= report_.bytes_needed) return {};
  if (options_.dry_run) {
    note(fmt::format("repairing needs {} MiB of room beside the old queue, and there are {}",
                     report_.bytes_needed >> 20, room >> 20));
    return {};
  }
  return fail(ErrorKind::kIo,
              fmt::format("repairing {} needs {} MiB of room beside the old queue, and there are "
                          "{}: nothing was changed, make room first",
                          paths_.queue().string(), report_.bytes_needed >> 20, room >> 20));
}

Result<void> Repairer::build() {
  std::error_code error;
  fs::create_directories(work_, error);
  if (error) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("cannot make the folder {}: {}", work_.string(), error.message()));
  }
  SLUICE_TRY(before("salvage"));
  SLUICE_ASSIGN(const auto salvage, Salvage::open(paths_.queue_db(), work_ / "salvage"));
  SLUICE_TRY(read_facts(salvage.get()));
  std::unique_ptr<Database> database;
  if (!options_.dry_run) {
    SLUICE_TRY(before("new database"));
    SLUICE_ASSIGN(database,
                  Database::open_primary(work_ / "db", queue_families(version_), nullptr));
  }
  BulkWriter out(database.get());
  for (const Lane lane : kLanes) SLUICE_TRY(copy_lane(salvage.get(), lane, &out));
  SLUICE_TRY(before("rows"));
  SLUICE_TRY(copy_rows(salvage.get(), &out));
  SLUICE_TRY(out.finish());
  for (const std::string& sentence : salvage->damage()) note(sentence);
  return {};
}

Result<void> Repairer::read_facts(Salvage* salvage) {
  PageReader reader(paths_.fetcher_page(), PageRole::kFetcher);
  if (const auto payload = reader.read()) page_ = decode_fetcher_page(*payload);
  state_ = salvage->state();
  if (const auto id = state_.find(std::string(kQueueIdKey)); id != state_.end()) {
    queue_id_ = id_from_bytes(id->second);
  } else if (page_) {
    queue_id_ = page_->queue_id;
  } else if (binding_) {
    queue_id_ = binding_->queue_id;
  }
  if (queue_id_.is_zero()) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("neither {} nor what is beside it says which queue it is: nothing can "
                            "be kept, restore it from a backup",
                            paths_.queue_db().string()));
  }
  if (page_ && page_->queue_id != queue_id_) page_.reset();
  if (binding_ && binding_->queue_id != queue_id_) {
    binding_.reset();
    delivery_id_.reset();
    delivery_epochs_.clear();
  }
  SLUICE_TRY(read_epoch_rows(salvage));
  SLUICE_TRY(read_ledger_rows(salvage));
  return mend_state(salvage);
}

Result<void> Repairer::read_epoch_rows(Salvage* salvage) {
  std::map<Epoch, EpochRow> rows;
  SLUICE_TRY(salvage->each(kEpochsFamily, [&](std::string_view key, std::string_view value) {
    if (const auto row = decode_epoch_row(key, value)) rows.emplace(row->epoch, *row);
    return Result<void>();
  }));
  for (const EpochRow& row : delivery_epochs_) rows.emplace(row.epoch, row);
  for (const auto& [epoch, row] : rows) epochs_.push_back(row);
  // A row that is lost is made again from the records that carry its number.
  if (salvage->damage().empty()) return {};
  std::map<std::uint64_t, PerLane<Seq>> seen;
  for (const Lane lane : kLanes) {
    const EpochIndex index(epochs_, lane);
    SLUICE_TRY(salvage->each(name_of(lane), [&](std::string_view key, std::string_view value) {
      ByteReader reader(key);
      const Seq seq = reader.big<Seq>();
      const auto record = decode_record(lane, seq, value);
      const bool is_known =
          !record || std::any_of(epochs_.begin(), epochs_.end(), [&](const EpochRow& row) {
            return row.epoch.number == record->epoch;
          });
      if (is_known) return Result<void>();
      Seq& first = seen[record->epoch][lane];
      if (first == 0 || seq < first) first = seq;
      return Result<void>();
    }));
  }
  add_epochs_of_records(seen);
  return {};
}

void Repairer::add_epochs_of_records(const std::map<std::uint64_t, PerLane<Seq>>& seen) {
  for (const auto& [number, first] : seen) {
    EpochRow row;
    const Id128 random = Id128::random();
    ByteReader reader({reinterpret_cast<const char*>(random.bytes.data()), sizeof(std::uint64_t)});
    row.epoch = {number, reader.little<std::uint64_t>()};
    if (page_ && page_->epoch.number == number) row.epoch = page_->epoch;
    for (const Lane lane : kLanes) {
      // A lane in which this epoch wrote nothing: it begins where the next one does, at the latest.
      row.first[lane] = first[lane] != 0 ? first[lane] : std::numeric_limits<Seq>::max();
    }
    row.opened_at_ms = to_unix_ms(now_);
    note(fmt::format("the row of epoch {} was lost and is made again from its records", number));
    epochs_.push_back(row);
  }
  std::sort(epochs_.begin(), epochs_.end(),
            [](const EpochRow& a, const EpochRow& b) { return a.epoch < b.epoch; });
  for (const Lane lane : kLanes) {
    Seq next = std::numeric_limits<Seq>::max();
    for (auto row = epochs_.rbegin(); row != epochs_.rend(); ++row) {
      row->first[lane] = std::min(row->first[lane], next);
      next = row->first[lane];
    }
  }
}

Result<void> Repairer::read_ledger_rows(Salvage* salvage) {
  return salvage->each(kLedgerFamily, [&](std::string_view key, std::string_view value) {
    ByteReader reader(key);
    LedgerKey place;
    place.day = take_day(&reader);
    place.lane = static_cast<Lane>(reader.big<std::uint8_t>());
    const auto version = reader.big<std::uint64_t>();
    const bool is_sound = reader.finished() && static_cast<std::size_t>(place.lane) < kLaneCount &&
                          decode_ledger_row(value).has_value();
    if (!is_sound) return Result<void>();
    auto& row = ledger_[place];
    if (version >= row.first) row = {version, std::string(value)};
    return Result<void>();
  });
}

// Floor, covered numbers and identity, and what must be forgotten when part of the state is gone:
// what is then fetched twice is the lesser evil.
Result<void> Repairer::mend_state(Salvage* salvage) {
  std::optional<PerLane<Seq>> floor;
  for (auto row = state_.lower_bound(std::string(kFloorPrefix));
       row != state_.end() && row->first.starts_with(kFloorPrefix); ++row) {
    if (const auto numbers = decode_lane_numbers(row->second)) floor = *numbers;
  }
  for (const Lane lane : kLanes) {
    floor_[lane] = floor ? (*floor)[lane] : 1;
    for (const auto& [key, row] : ledger_) {
      if (key.lane != lane) continue;
      SLUICE_ASSIGN(const LedgerRow decoded, decode_ledger_row(row.second));
      covered_[lane] += decoded.queued;
    }
  }
  if (const auto row = state_.find(std::string(kNumbersKey)); row != state_.end()) {
    if (const auto numbers = decode_lane_numbers(row->second)) {
      for (const Lane lane : kLanes) covered_[lane] = std::max(covered_[lane], (*numbers)[lane]);
    }
  }
  state_[std::string(kQueueIdKey)] = id_bytes(queue_id_);
  if (delivery_id_) state_.emplace(std::string(kDeliveryIdKey), id_bytes(*delivery_id_));
  if (binding_ && !binding_->cluster.empty()) {
    state_.emplace(std::string(kClusterKey), binding_->cluster);
  }
  std::string machine_key(kMachineIdPrefix);
  put_big(&machine_key, std::uint64_t{1});
  const auto machine = state_.lower_bound(std::string(kMachineIdPrefix));
  if (machine == state_.end() || !machine->first.starts_with(kMachineIdPrefix)) {
    state_.emplace(machine_key, options_.machine.machine_id);
  }
  // Without its start time the fetcher would begin now.
  const bool has_begun = state_.contains("state/start-time") || salvage->damage().empty();
  const bool is_whole = salvage->state_is_whole() && has_begun;
  keeps_state_ = is_whole && !options_.refetch;
  if (keeps_state_) return {};
  // The fetcher begins again where the queue began.
  std::erase_if(state_, [](const auto& row) {
    return row.first.starts_with(kReadUpToPrefix) ||
           (row.first.starts_with(kStatePrefix) && row.first != "state/start-time");
  });
  std::int64_t first_opened_ms = to_unix_ms(now_);
  for (const EpochRow& row : epochs_) first_opened_ms = std::min(first_opened_ms, row.opened_at_ms);
  state_.emplace("state/start-time", format_rfc3339(from_unix_ms(first_opened_ms)));
  note(
      fmt::format("the fetcher's state {}, so it and the ids of earlier events are dropped: "
                  "everything from {} on is fetched and delivered again",
                  is_whole ? "was not wanted" : "is damaged", state_["state/start-time"]));
  return {};
}

Result<void> Repairer::write_gaps(Lane lane, SeqRange numbers, BulkWriter* out) {
  ++report_.range_count;
  if (report_.ranges.size() < kLostRangesShown) report_.ranges.push_back({lane, numbers});
  report_.lanes[lane].lost += numbers.count();
  const EpochIndex index(epochs_, lane);
  const std::string how = fmt::format("lost: found by queuectl repair at {}; {}",
                                      format_rfc3339(now_), options_.reason);
  for (Seq seq = numbers.first; seq <= numbers.last; ++seq) {
    const std::string id =
        fmt::format("gap-{}-{}-{}", queue_id_.short_string(), name_of(lane), seq);
    RecordView gap;
    gap.kind = RecordKind::kGap;
    gap.epoch = index.epoch_of(seq).value_or(0);
    gap.fetched_at_ms = to_unix_ms(now_);
    gap.time = gap_time_;
    gap.id = id;
    gap.type = "sluice.gap";
    gap.note = std::string_view(how).substr(0, kStringBytesMax);
    std::string bytes;
    encode_record(lane, seq, gap, &bytes);
    SLUICE_TRY(out->put(name_of(lane), record_key(seq), bytes));
  }
  return {};
}

// The row of the last trim may be lost while its files are gone already; the page knows of it. What
// is there all the same stays: that page may have been of a trim that was only announced. Returns
// the floor, which is `first` at most.
Seq Repairer::raise_floor(Lane lane, Seq first) {
  Seq& floor = floor_[lane];
  if (page_) floor = std::max(floor, std::min(first, page_->floor[lane]));
  report_.lanes[lane].floor = floor;
  return floor;
}

void Repairer::set_floor_row() {
  std::uint64_t version = 0;
  for (auto row = state_.lower_bound(std::string(kFloorPrefix));
       row != state_.end() && row->first.starts_with(kFloorPrefix); row = state_.erase(row)) {
    ByteReader reader(std::string_view(row->first).substr(kFloorPrefix.size()));
    version = reader.big<std::uint64_t>();
  }
  state_[floor_key(version + 1)] = encode_lane_numbers(floor_);
}

// Gaps get the time of the event before them, so that they count on a day near their own.
Result<void> Repairer::copy_lane(Salvage* salvage, Lane lane, BulkWriter* out) {
  const EpochIndex index(epochs_, lane);
  LaneRepair& at = report_.lanes[lane];
  at.floor = floor_[lane];
  Seq next = floor_[lane];
  gap_time_ = now_;
  const auto copy = [&](std::string_view key, std::string_view value) -> Result<void> {
    ByteReader reader(key);
    const Seq seq = reader.big<Seq>();
    if (!reader.finished() || seq < next) return {};
    const auto record = decode_record(lane, seq, value);
    if (!record && record.error().kind == ErrorKind::kFormat) return fail(record.error());
    if (!record || index.epoch_of(seq) != record->epoch) return {};
    if (at.kept == 0) next = raise_floor(lane, seq);
    if (seq > next) {
      if (at.kept == 0) gap_time_ = record->time;
      SLUICE_TRY(write_gaps(lane, {next, seq - 1}, out));
    }
    SLUICE_TRY(out->put(name_of(lane), key, value));
    gap_time_ = record->time;
    LedgerRow& counted = counted_[{day_of(record->time), lane}];
    ++counted.queued;
    counted.queued_ids.add_id(record->id);
    next = seq + 1;
    ++at.kept;
    if (options_.progress && at.kept % kProgressEvery == 0) options_.progress(kProgressEvery);
    return {};
  };
  SLUICE_TRY(salvage->each(name_of(lane), copy));
  if (at.kept == 0) next = raise_floor(lane, covered_[lane] + 1);
  if (next <= covered_[lane]) {
    SLUICE_TRY(write_gaps(lane, {next, covered_[lane]}, out));
    next = covered_[lane] + 1;
  }
  at.last = next - 1;
  if (page_ && page_->durable[lane] > at.last) {
    at.undone = page_->durable[lane] - at.last;
    note(
        fmt::format("the last {} numbers of lane {} are lost together with the cursors that "
                    "covered them: they are fetched again",
                    at.undone, name_of(lane)));
  }
  return {};
}

// Rows of the ledger may be lost: the sum must be right all the same.
Result<void> Repairer::mend_ledger(Lane lane) {
  const LaneRepair& at = report_.lanes[lane];
  std::uint64_t version = 0;
  std::uint64_t counted = 0;
  for (const auto& [key, row] : ledger_) {
    version = std::max(version, row.first);
    if (key.lane != lane) continue;
    SLUICE_ASSIGN(const LedgerRow decoded, decode_ledger_row(row.second));
    counted += decoded.queued;
  }
  if (counted >= at.last) return {};
  // Then the days can be counted again.
  const bool all_are_here = at.floor == 1 && at.lost == 0;
  Ledger missing;
  if (all_are_here) {
    missing = counted_;
  } else {
    missing[{day_of(now_), lane}].queued = at.last - counted;
  }
  for (const auto& [key, found] : missing) {
    if (key.lane != lane) continue;
    auto& mended = ledger_[key];
    LedgerRow row;
    if (!mended.second.empty()) {
      SLUICE_ASSIGN(row, decode_ledger_row(mended.second));
    }
    row.queued = all_are_here ? found.queued : row.queued + found.queued;
    if (all_are_here) row.queued_ids = found.queued_ids;
    mended = {version + 1, encode_ledger_row(row)};
  }
  note(fmt::format("the ledger of lane {} lacked {} events, which were counted again",
                   name_of(lane), at.last - counted));
  return {};
}

Result<void> Repairer::copy_rows(Salvage* salvage, BulkWriter* out) {
  PerLane<Seq> last;
  for (const Lane lane : kLanes) {
    last[lane] = report_.lanes[lane].last;
    SLUICE_TRY(mend_ledger(lane));
    // An epoch that is known by its records only, and has none in this lane.
    for (EpochRow& row : epochs_) {
      if (row.first[lane] == std::numeric_limits<Seq>::max()) row.first[lane] = last[lane] + 1;
    }
  }
  if (version_ >= 2) {
    state_[std::string(kNumbersKey)] = encode_lane_numbers(last);
    set_floor_row();
  }
  for (const auto& [key, value] : state_) SLUICE_TRY(out->put(kDefaultFamily, key, value));
  for (const auto& [place, row] : ledger_) {
    SLUICE_TRY(out->put(kLedgerFamily, ledger_row_key(place, row.first), row.second));
  }
  for (const EpochRow& row : epochs_) {
    SLUICE_TRY(out->put(kEpochsFamily, epoch_row_key(row.epoch), encode_epoch_row(row)));
  }
  const auto copy = [&](std::string_view family) {
    return salvage->each(family, [&](std::string_view key, std::string_view value) {
      return out->put(family, key, value);
    });
  };
  if (version_ >= 2) SLUICE_TRY(copy(kHistoryFamily));
  return keeps_state_ ? copy(kSeenFamily) : Result<void>();
}

Result<void> Repairer::swap() {
  const fs::path fresh = work_ / "db";
  SLUICE_TRY(before("mark"));
  std::ofstream mark(fresh / kRepairedMark);
  mark.close();
  if (!mark) return fail(errno_error("write", (fresh / kRepairedMark).string()));
  SLUICE_TRY(sync_directory(fresh));
  SLUICE_TRY(sync_directory(work_));
  SLUICE_TRY(sync_directory(paths_.queue()));
  SLUICE_TRY(before("exchange"));
  const fs::path db = paths_.queue_db();
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, db.c_str(), RENAME_EXCHANGE) != 0) {
    if (errno != EINVAL && errno != ENOSYS) {
      return fail(errno_error("exchange " + fresh.string() + " and", db.string()));
    }
    // Not every file system can. In between there is no database, and the fetcher refuses to make
    // one beside the folder we work in.
    SLUICE_TRY(rename_path(db, work_ / "old"));
    SLUICE_TRY(before("no database"));
    SLUICE_TRY(rename_path(fresh, db));
  }
  return finish_swap();
}

Result<void> Repairer::finish_swap() {
  SLUICE_TRY(sync_directory(paths_.queue()));
  SLUICE_TRY(before("aside"));
  for (const char* old : {"db", "old"}) {
    if (!fs::exists(work_ / old)) continue;
    report_.aside = paths_.queue() / ("db.damaged-" + compact_time(now_));
    for (int i = 2; fs::exists(report_.aside); ++i) {
      report_.aside = paths_.queue() / fmt::format("db.damaged-{}-{}", compact_time(now_), i);
    }
    SLUICE_TRY(rename_path(work_ / old, report_.aside));
  }
  SLUICE_TRY(sync_directory(paths_.queue()));
  SLUICE_TRY(before("clean up"));
  SLUICE_TRY(remove_tree(work_));
  std::error_code ignored;
  fs::remove(paths_.queue_db() / kRepairedMark, ignored);
  return sync_directory(paths_.queue_db());
}

Result<void> Repairer::write_journal() {
  if (!delivery_lock_) return {};
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.sink()));
  SLUICE_TRY(check_format_for_writing(paths_.sink(), kDeliveryFormat));
  SLUICE_ASSIGN(const auto database,
                Database::open_primary(paths_.delivery_db(), delivery_families(), nullptr));
  SLUICE_ASSIGN(const std::uint64_t version, newest_journal_version(*database));
  rocksdb::WriteBatch batch;
  for (const Lane lane : kLanes) {
    const LaneRepair& at = report_.lanes[lane];
    put_journal_line(*database, version + 1, now_,
                     fmt::format("the queue was repaired: lane {} keeps {} records, {} numbers are "
                                 "lost and recorded as gaps, it ends at {}; the old one is {}; {}",
                                 name_of(lane), at.kept, at.lost, at.last,
                                 report_.aside.filename().string(), by_whom(options_.reason)),
                     &batch);
  }
  return database->write(&batch);
}

}  // namespace

Result<RepairReport> repair_queue(const RepairOptions& options) {
  Repairer repairer(options);
  return repairer.run();
}

}  // namespace sluice::queue
