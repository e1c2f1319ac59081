#include "queue/writer.h"

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>

#include "common/check.h"
#include "common/random.h"
#include "queue/ballast.h"
#include "queue/control_page.h"
#include "queue/damage_advice.h"
#include "queue/database.h"
#include "queue/epoch_rows.h"
#include "queue/file_lock.h"
#include "queue/format_file.h"
#include "queue/key_parts.h"
#include "queue/ledger_store.h"
#include "queue/log_syncer.h"
#include "queue/queue_schema.h"
#include "queue/seen_key.h"
#include "queue/trimmer.h"

namespace sluice::queue {
namespace {

constexpr unsigned kQueueDirectoryMode =
    02750;  // setgid: what is made in it belongs to the shared group

// More memory than this is not kept for the next batch.
constexpr std::size_t kKeptBatchBytes = 8U << 20;

std::string state_key(std::string_view key) { return std::string(kStatePrefix).append(key); }

std::unexpected<Error> must_reopen() {
  return fail(ErrorKind::kIo, "the queue must be opened anew after a failed write");
}

}  // namespace

void Append::add(Lane lane, const RecordView& record) {
  records_.emplace_back(lane, record);
  body_bytes_ += record.body.size();
}

void Append::count_filtered(Lane lane, Day day) { ++counts_[{day, lane}].filtered; }

void Append::count_duplicate(Lane lane, Day day) { ++counts_[{day, lane}].duplicates; }

void Append::put_state(std::string key, std::string value) {
  changes_.push_back({std::move(key), std::move(value)});
}

void Append::erase_state(std::string key) { changes_.push_back({std::move(key), std::nullopt}); }

void Append::mark_seen(std::uint32_t generation, Timestamp time, std::string_view id) {
  seen_keys_.emplace(seen_key(generation, time.seconds, id));
}

bool Append::marks(std::uint32_t generation, Timestamp time, std::string_view id) const {
  return seen_keys_.contains(std::string_view(seen_key(generation, time.seconds, id)));
}

bool Append::empty() const {
  return records_.empty() && changes_.empty() && seen_keys_.empty() && counts_.empty() &&
         !read_up_to_;
}

void Append::clear() {
  records_.clear();
  changes_.clear();
  seen_keys_.clear();
  seen_memory_.release();
  read_up_to_.reset();
  counts_.clear();
  body_bytes_ = 0;
}

struct Writer::Impl {
  explicit Impl(WriterOptions given)
      : options(std::move(given)),
        clock(options.clock != nullptr ? *options.clock : system_clock()) {}

  Result<void> open();
  Result<void> lock_and_check();
  Result<void> refuse_to_replace() const;
  Result<void> open_database();
  Result<void> initialise();
  Result<void> check_identity();
  Result<void> require_room();
  Result<void> load_trimmer();
  Result<void> recover_last();
  Result<void> find_day_keys();
  Result<void> check_numbers() const;
  Result<void> check_ledger() const;
  Result<void> begin_epoch(const std::optional<FetcherPage>& previous);
  void publish_floor(const PerLane<Seq>& floor);
  void publish_durable(const PerLane<Seq>& durable);
  void publish_unlocked();
  void start_syncer();
  Result<void> tend();
  void put_record(Lane lane, Seq seq, const RecordView& record, rocksdb::WriteBatch* batch);
  Result<void> note_death(Result<void> done);
  Result<void> append(const Append& append, Durable durable);
  PerLane<Seq> put_all(const Append& append, rocksdb::WriteBatch* batch);
  Result<void> sync();
  Result<void> write(rocksdb::WriteBatch* batch, Durable durable = Durable::kAtOnce);
  void note_sync(std::chrono::steady_clock::time_point begin) const;
  Result<void> write_once(std::string_view key, std::string_view value);

  WriterOptions options;
  const Clock& clock;
  std::optional<FileLock> lock;
  std::optional<PageWriter> page;
  std::unique_ptr<Database> database;
  LedgerStore ledger;
  ReadUpToRow read_up_to;
  OpenReport report;
  Id128 queue_id;
  std::optional<Id128> delivery_id;
  PerLane<Seq> last;
  std::mutex page_mutex;
  FetcherPage page_values;
  DiskPlan plan;
  std::unique_ptr<Trimmer> trimmer;
  std::uint64_t appended_bytes = 0;
  bool has_day_keys = false;  // of version 1, until the days that they are of are forgotten
  bool dead = false;
  rocksdb::WriteBatch kept_batch;  // of append(), for its memory
  std::string scratch;
  std::optional<LogSyncer> syncer;  // last: its thread uses the others
};

Result<void> Writer::Impl::open() {
  SLUICE_TRY(lock_and_check());
  SLUICE_ASSIGN(PageWriter opened_page,
                PageWriter::open(options.paths.fetcher_page(), PageRole::kFetcher));
  page.emplace(std::move(opened_page));
  std::optional<FetcherPage> previous;
  if (const auto payload = page->last()) previous = decode_fetcher_page(*payload);
  SLUICE_TRY(require_room());
  SLUICE_TRY(open_database());
  SLUICE_TRY(load_trimmer());
  SLUICE_TRY(recover_last());
  SLUICE_TRY(find_day_keys());
  SLUICE_TRY(read_up_to.load(database.get()));
  SLUICE_ASSIGN(ledger, LedgerStore::load(*database));
  SLUICE_TRY(check_ledger());
  SLUICE_TRY(begin_epoch(previous));
  start_syncer();
  return {};
}

// Nothing is changed before this has succeeded, but for the lock file and the folder itself.
Result<void> Writer::Impl::lock_and_check() {
  const std::filesystem::path directory = options.paths.queue();
  if (const auto format = check_format_for_writing(directory, kQueueFormat);
      !format && format.error().kind == ErrorKind::kFormat) {
    return format;
  }
  SLUICE_TRY(prepare_directory(directory, kQueueDirectoryMode));
  SLUICE_ASSIGN(FileLock taken, FileLock::take(options.paths.queue_lock(), "the queue"));
  lock.emplace(std::move(taken));
  const auto format = check_format_for_writing(directory, kQueueFormat);
  if (!format && format.error().kind != ErrorKind::kNotFound) return format;
  if (!std::filesystem::exists(options.paths.queue_db() / "CURRENT")) {
    SLUICE_TRY(refuse_to_replace());
  }
  if (format) return {};
  if (std::filesystem::exists(options.paths.queue_db())) {
    return fail(
        ErrorKind::kCorrupt,
        fmt::format("{} holds a database but no FORMAT file: this is not a whole queue; "
                    "nothing was changed: restore the folder from a backup, or run \"queuectl "
                    "repair\"",
                    directory.string()));
  }
  return write_format(directory, kQueueFormat);
}

// There is no database. A page that knows a queue says that there was one, which must not be
// replaced by a new one in silence: what was in it would never be delivered.
Result<void> Writer::Impl::refuse_to_replace() const {
  if (std::filesystem::exists(options.paths.queue_repair())) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} is missing, and a repair of it was interrupted: finish it with "
                            "\"queuectl repair\"",
                            options.paths.queue_db().string()));
  }
  Id128 known;
  PageReader own(options.paths.fetcher_page(), PageRole::kFetcher);
  if (const auto payload = own.read()) {
    if (const auto values = decode_fetcher_page(*payload)) known = values->queue_id;
  }
  PageReader shipper(options.paths.shipper_page(), PageRole::kShipper);
  if (const auto payload = shipper.read(); payload && known.is_zero()) {
    if (const auto values = decode_shipper_page(*payload)) known = values->queue_id;
  }
  if (known.is_zero()) return {};
  return fail(
      ErrorKind::kIdentity,
      fmt::format("{} is missing, but queue {} has been in use here: restore the folder {}, "
                  "or, to begin a new queue, move it, {} and {} aside",
                  options.paths.queue_db().string(), known.short_string(),
                  options.paths.queue().string(), options.paths.delivery().string(),
                  options.paths.shipper().string()));
}

Result<void> Writer::Impl::require_room() {
  SLUICE_ASSIGN(const DiskSpace space, file_system_space(options.paths.queue()));
  plan = plan_disk(options.limits, space.size);
  Ballast ballast(options.paths.queue_ballast(), plan.wal_bytes_max);
  return require_room_to_open(options.paths.queue_db(), &ballast);
}

Result<void> Writer::Impl::open_database() {
  const DatabaseSizes sizes{.log_bytes_max = plan.wal_bytes_max,
                            .record_buffer_bytes = plan.record_buffer_bytes,
                            .record_file_bytes = plan.record_file_bytes};
  SLUICE_ASSIGN(database, Database::open_primary(options.paths.queue_db(), queue_families(),
                                                 options.env, sizes));
  SLUICE_ASSIGN(const auto id, database->get(kDefaultFamily, kQueueIdKey));
  // A queue whose making was interrupted has no id yet and no records.
  if (!id) return initialise();
  queue_id = id_from_bytes(*id);
  return check_identity();
}

Result<void> Writer::Impl::initialise() {
  SLUICE_TRY(refuse_to_replace());
  report.created = true;
  queue_id = Id128::random();
  rocksdb::WriteBatch batch;
  batch.Put(std::string(kQueueIdKey), id_bytes(queue_id));
  std::string key(kMachineIdPrefix);
  put_big(&key, std::uint64_t{1});
  batch.Put(key, options.machine.machine_id);
  return write(&batch);
}

Result<void> Writer::Impl::check_identity() {
  SLUICE_TRY(refuse_retired(*database, options.paths.queue()));
  SLUICE_ASSIGN(const auto made_on, database->newest(kDefaultFamily, kMachineIdPrefix));
  const std::string there = made_on ? made_on->value : "";
  const std::string& here = options.machine.machine_id;
  if (!there.empty() && !here.empty() && there != here) {
    return fail(ErrorKind::kIdentity,
                fmt::format("the queue at {} was made on another machine (machine-id {}, this one "
                            "is {}): a copy must not run beside its original, so nothing was "
                            "changed; run it on its own machine, or, if it was moved here "
                            "and the original is retired, run \"queuectl adopt\"",
                            options.paths.queue().string(), there, here));
  }
  SLUICE_ASSIGN(const auto paired, database->get(kDefaultFamily, kDeliveryIdKey));
  if (paired) delivery_id = id_from_bytes(*paired);
  return {};
}

Result<void> Writer::Impl::load_trimmer() {
  TrimmerParts parts;
  parts.paths = options.paths;
  parts.boot_id = options.machine.boot_id;
  parts.clock = &clock;
  parts.limits = options.limits;
  parts.plan = plan;
  parts.after_intent = options.after_trim_intent;
  parts.write = [this](rocksdb::WriteBatch* batch) { return write(batch); };
  parts.publish = [this](const PerLane<Seq>& floor) { publish_floor(floor); };
  SLUICE_ASSIGN(trimmer, Trimmer::load(std::move(parts), database.get()));
  return {};
}

// A lane goes on behind its last record, and behind all that was ever trimmed from it.
Result<void> Writer::Impl::recover_last() {
  for (const Lane lane : kLanes) {
    const std::unique_ptr<rocksdb::Iterator> it(
        database->db().NewIterator(scan_options(), database->family(name_of(lane))));
    it->SeekToLast();
    if (!it->status().ok()) {
      return fail(database_error("read the database", database->path(), it->status()));
    }
    last[lane] = trimmer->floor()[lane] - 1;
    if (!it->Valid()) continue;
    ByteReader key({it->key().data(), it->key().size()});
    last[lane] = std::max(last[lane], key.big<Seq>());
    SLUICE_CHECK(key.finished(), "a record's key is a sequence number");
  }
  return check_numbers();
}

Result<void> Writer::Impl::find_day_keys() {
  const std::unique_ptr<rocksdb::Iterator> it(
      database->db().NewIterator(scan_options(), database->family(kSeenFamily)));
  it->SeekToFirst();
  if (!it->status().ok()) {
    return fail(database_error("read the database", database->path(), it->status()));
  }
  if (!it->Valid()) return {};
  ByteReader key({it->key().data(), it->key().size()});
  has_day_keys = (key.big<std::uint32_t>() & kBySecond) == 0;
  return {};
}

// The state must not be newer than the records: it would say of events that are gone that they need
// not be fetched again.
Result<void> Writer::Impl::check_numbers() const {
  SLUICE_ASSIGN(const auto row, database->get(kDefaultFamily, kNumbersKey));
  const auto covered = row ? decode_lane_numbers(*row) : std::nullopt;
  if (row && !covered) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("the queue at {} is damaged: its row \"{}\" cannot be read",
                            options.paths.queue().string(), kNumbersKey));
  }
  SLUICE_ASSIGN(const auto floor_row, database->newest(kDefaultFamily, kFloorPrefix));
  const auto floor = floor_row ? decode_lane_numbers(floor_row->value) : std::nullopt;
  for (const Lane lane : kLanes) {
    // What is below the floor has been trimmed, which may have been everything.
    const Seq end = std::max(last[lane], floor ? (*floor)[lane] - 1 : 0);
    if (!covered || (*covered)[lane] <= end) continue;
    return fail(
        ErrorKind::kCorrupt,
        fmt::format("the queue at {} is damaged: lane {} ends at {}, but what was fetched "
                    "reached to {}",
                    options.paths.queue().string(), name_of(lane), last[lane], (*covered)[lane]));
  }
  return {};
}

// A list of files that was cut short can leave one part of the database older than another, without
// any wrong checksum. Then the counts would never add up again.
Result<void> Writer::Impl::check_ledger() const {
  for (const Lane lane : kLanes) {
    const std::uint64_t counted = total_of(ledger.rows(), lane).queued;
    if (counted >= last[lane]) continue;
    return fail(ErrorKind::kCorrupt,
                fmt::format("the queue at {} is damaged: lane {} has {} records, but its ledger "
                            "counts {}",
                            options.paths.queue().string(), name_of(lane), last[lane], counted));
  }
  return {};
}

// Synced before the first append of the epoch, so that a reader can tell which numbers were lost
// and given anew.
Result<void> Writer::Impl::begin_epoch(const std::optional<FetcherPage>& previous) {
  SLUICE_ASSIGN(const auto rows, read_epochs(*database));
  EpochRow row;
  row.epoch.number = rows.empty() ? 1 : rows.back().epoch.number + 1;
  row.epoch.nonce = random_u64();
  row.opened_at_ms = to_unix_ms(clock.now());
  for (const Lane lane : kLanes) {
    // A lane whose records are all gone goes on behind what the newest row knows of, not at 1.
    if (!rows.empty()) last[lane] = std::max(last[lane], rows.back().first[lane] - 1);
    row.first[lane] = last[lane] + 1;
    if (previous && previous->queue_id == queue_id && previous->durable[lane] > last[lane]) {
      report.lost[lane] = previous->durable[lane] - last[lane];
    }
  }
  rocksdb::WriteBatch batch;
  put_epoch_row(*database, row, &batch);
  trimmer->begin(queue_id, row.epoch, last, &batch);
  SLUICE_TRY(write(&batch));
  trimmer->begun();
  report.epoch = row.epoch;
  report.last = last;
  page_values.queue_id = queue_id;
  page_values.boot_id = options.machine.boot_id;
  page_values.epoch = report.epoch;
  page_values.floor = trimmer->floor();
  publish_durable(last);
  return {};
}

void Writer::Impl::start_syncer() {
  LogSyncer::Parts parts;
  parts.sync = [this] {
    const auto begin = std::chrono::steady_clock::now();
    auto synced = database->sync_log();
    note_sync(begin);
    return synced;
  };
  parts.publish = [this](const PerLane<Seq>& durable) { publish_durable(durable); };
  syncer.emplace(std::move(parts));
}

void Writer::Impl::publish_floor(const PerLane<Seq>& floor) {
  const std::lock_guard guard(page_mutex);
  page_values.floor = floor;
  publish_unlocked();
}

void Writer::Impl::publish_durable(const PerLane<Seq>& durable) {
  const std::lock_guard guard(page_mutex);
  page_values.durable = durable;
  publish_unlocked();
}

void Writer::Impl::publish_unlocked() { page->publish(encode_page(page_values)); }

Result<void> Writer::Impl::write(rocksdb::WriteBatch* batch, Durable durable) {
  const auto begin = std::chrono::steady_clock::now();
  auto written = database->write(batch, durable);
  if (durable == Durable::kAtOnce) note_sync(begin);
  return note_death(std::move(written));
}

void Writer::Impl::note_sync(std::chrono::steady_clock::time_point begin) const {
  if (options.sync_duration == nullptr) return;
  options.sync_duration->add(std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin));
}

Result<void> Writer::Impl::write_once(std::string_view key, std::string_view value) {
  rocksdb::WriteBatch batch;
  batch.Put(rocksdb::Slice(key), rocksdb::Slice(value));
  return write(&batch);
}

void Writer::Impl::put_record(Lane lane, Seq seq, const RecordView& record,
                              rocksdb::WriteBatch* batch) {
  scratch.clear();
  encode_record_head(lane, seq, record, &scratch);
  const std::string key = record_key(seq);
  const rocksdb::Slice key_part(key);
  const std::array value_parts = {rocksdb::Slice(scratch), rocksdb::Slice(record.body)};
  batch->Put(database->family(name_of(lane)), rocksdb::SliceParts(&key_part, 1),
             rocksdb::SliceParts(value_parts.data(), value_parts.size()));
}

Result<void> Writer::Impl::append(const Append& append, Durable durable) {
  const bool behind = durable == Durable::kWithNextSync;
  if (dead) return must_reopen();
  if (append.records_.size() > kAppendRecordsMax) {
    return fail(ErrorKind::kInternal, "a batch has too many records");
  }
  // What is durable is published in order, so a batch of its own waits for those before it.
  SLUICE_TRY(note_death(behind ? syncer->wait_for_room() : syncer->wait_for_all()));
  rocksdb::WriteBatch& batch = kept_batch;
  batch.Clear();
  const PerLane<Seq> next = put_all(append, &batch);
  SLUICE_TRY(write(&batch, durable));
  last = next;
  appended_bytes += batch.GetDataSize();
  behind ? syncer->wrote(last, batch.GetDataSize()) : publish_durable(last);
  if (batch.GetDataSize() > kKeptBatchBytes) batch = rocksdb::WriteBatch();
  return {};
}

Result<void> Writer::Impl::sync() {
  if (dead) return must_reopen();
  return note_death(syncer->wait_for_all());
}

// From an error on it is unknown what will be found at the next open. Of a sync that failed behind
// us the first call afterwards tells why.
Result<void> Writer::Impl::note_death(Result<void> done) {
  if (!done) dead = true;
  return done;
}

// The last number of each lane with it.
PerLane<Seq> Writer::Impl::put_all(const Append& append, rocksdb::WriteBatch* batch) {
  Ledger delta = append.counts_;
  PerLane<Seq> next = last;
  for (const auto& [lane, given] : append.records_) {
    RecordView record = given;
    record.epoch = report.epoch.number;
    SLUICE_CHECK(!record.id.empty(), "a record has an id");
    const Seq seq = ++next[lane];
    put_record(lane, seq, record, batch);
    LedgerRow& row = delta[{day_of(record.time), lane}];
    ++row.queued;
    row.queued_ids.add_id(record.id);
  }
  if (!append.records_.empty()) batch->Put(std::string(kNumbersKey), encode_lane_numbers(next));
  for (const auto& [key, value] : append.changes_) {
    value ? batch->Put(state_key(key), *value) : batch->Delete(state_key(key));
  }
  for (const std::string_view key : append.seen_keys_) {
    batch->Put(database->family(kSeenFamily), rocksdb::Slice(key), rocksdb::Slice());
  }
  if (append.read_up_to_) read_up_to.put(*append.read_up_to_, batch);
  ledger.add(*database, delta, ledger.newest_version() + 1, batch);
  return next;
}

Result<void> Writer::Impl::tend() {
  if (dead) return must_reopen();
  SLUICE_TRY(note_death(syncer->check()));
  return trimmer->tend(last, delivery_id, appended_bytes);
}

Result<std::unique_ptr<Writer>> Writer::open(const WriterOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  SLUICE_TRY(with_queue_advice(impl->open(), options.paths));
  return std::unique_ptr<Writer>(new Writer(std::move(impl)));
}

Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Writer::~Writer() = default;

Result<void> Writer::append(const Append& batch) { return impl_->append(batch, Durable::kAtOnce); }
Result<void> Writer::append_behind(const Append& batch) {
  return impl_->append(batch, Durable::kWithNextSync);
}
Result<void> Writer::sync() { return impl_->sync(); }

Result<bool> Writer::has_seen(std::uint32_t generation, Timestamp time, std::string_view id) {
  const auto is_there = [this](const std::string& key) -> Result<bool> {
    SLUICE_ASSIGN(const auto value, impl_->database->get(kSeenFamily, key));
    return value.has_value();
  };
  SLUICE_ASSIGN(const bool found, is_there(seen_key(generation, time.seconds, id)));
  if (found || !impl_->has_day_keys) return found;
  return is_there(seen_day_key(generation, day_of(time), id));
}

Result<void> Writer::forget_seen_before(Day day) {
  auto* family = impl_->database->family(kSeenFamily);
  const std::unique_ptr<rocksdb::Iterator> it(
      impl_->database->db().NewIterator(scan_options(), family));
  rocksdb::WriteBatch batch;
  it->SeekToFirst();
  while (it->Valid()) {
    ByteReader key({it->key().data(), it->key().size()});
    const auto generation = key.big<std::uint32_t>();
    const std::string end = (generation & kBySecond) != 0
                                ? seen_key(generation, start_of_day(day).seconds, "")
                                : seen_day_key(generation, day, "");
    if (it->key().compare(end) < 0) batch.DeleteRange(family, it->key(), end);
    std::string next_generation;
    put_big(&next_generation, generation + 1);
    it->Seek(next_generation);
  }
  if (!it->status().ok()) {
    return fail(database_error("read the database", impl_->database->path(), it->status()));
  }
  return impl_->write(&batch);
}

Result<std::optional<std::string>> Writer::state(std::string_view key) {
  return impl_->database->get(kDefaultFamily, state_key(key));
}

Result<std::vector<std::pair<std::string, std::string>>> Writer::states(std::string_view prefix) {
  const std::string full = state_key(prefix);
  std::vector<std::pair<std::string, std::string>> found;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->database->db().NewIterator(scan_options()));
  for (it->Seek(full); it->Valid() && it->key().starts_with(full); it->Next()) {
    found.emplace_back(it->key().ToString().substr(kStatePrefix.size()), it->value().ToString());
  }
  if (!it->status().ok()) {
    return fail(database_error("read the database", impl_->database->path(), it->status()));
  }
  return found;
}

const Ledger& Writer::ledger() const { return impl_->ledger.rows(); }

const std::optional<ReadUpTo>& Writer::read_up_to() const { return impl_->read_up_to.value(); }

Result<void> Writer::claim_cluster(std::string_view cluster) {
  SLUICE_ASSIGN(const auto bound, impl_->database->get(kDefaultFamily, kClusterKey));
  if (!bound) return impl_->write_once(kClusterKey, cluster);
  if (*bound == cluster) return {};
  return fail(
      ErrorKind::kIdentity,
      fmt::format("the queue at {} holds events of cluster {}, and this Teleport is cluster "
                  "{}: give each cluster its own instance",
                  impl_->options.paths.queue().string(), *bound, cluster));
}

Result<void> Writer::note_delivery_store() {
  if (impl_->delivery_id) return {};
  PageReader shipper(impl_->options.paths.shipper_page(), PageRole::kShipper);
  const auto payload = shipper.read();
  const auto values = payload ? decode_shipper_page(*payload) : std::nullopt;
  if (!values || values->queue_id != impl_->queue_id) return {};
  SLUICE_TRY(impl_->write_once(kDeliveryIdKey, id_bytes(values->delivery_id)));
  impl_->delivery_id = values->delivery_id;
  return {};
}

Result<void> Writer::check_folder() {
  auto checked = impl_->lock->check_in_place("the queue");
  if (!checked) impl_->database->keep_files();
  return checked;
}

Result<void> Writer::tend() { return impl_->tend(); }
bool Writer::is_tending_due() const { return impl_->trimmer->is_due(impl_->appended_bytes); }
const FullLanes& Writer::full_lanes() const { return impl_->trimmer->full(); }
const DiskUsage& Writer::disk_usage() const { return impl_->trimmer->usage(); }
const DiskPlan& Writer::disk_plan() const { return impl_->plan; }
std::optional<std::chrono::milliseconds> Writer::full_in() const {
  return impl_->trimmer->full_in();
}
void Writer::release_room() { impl_->trimmer->release_room(); }
Seq Writer::floor(Lane lane) const { return impl_->trimmer->floor()[lane]; }

const OpenReport& Writer::report() const { return impl_->report; }
const Id128& Writer::queue_id() const { return impl_->queue_id; }
Seq Writer::last(Lane lane) const { return impl_->last[lane]; }

}  // namespace sluice::queue
