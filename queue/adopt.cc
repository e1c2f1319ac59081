#include "queue/adopt.h"

#include <fmt/format.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

#include "common/files.h"
#include "queue/answer_rows.h"
#include "queue/database.h"
#include "queue/dead_letter_rows.h"
#include "queue/delivery_schema.h"
#include "queue/file_lock.h"
#include "queue/folder_owner.h"
#include "queue/format_file.h"
#include "queue/job_rows.h"
#include "queue/journal.h"
#include "queue/ledger_store.h"
#include "queue/queue_schema.h"
#include "queue/record.h"

namespace sluice::queue {
namespace {

namespace fs = std::filesystem;

const Clock& clock_of(const Clock* given) { return given != nullptr ? *given : system_clock(); }

std::string retired_line(Timestamp now, std::string_view reason) {
  return fmt::format("{} {}", format_rfc3339(now), by_whom(reason));
}

// What the queue says, read while nobody has it open.
struct QueueFacts {
  Id128 id;
  std::string cluster;
  std::uint64_t machine_version = 0;
  std::vector<EpochRow> epochs;
  PerLane<Seq> floor;
  PerLane<Seq> last;
};

// What the store says.
struct StoreFacts {
  bool is_usable = false;  // it opens, and belongs to this queue or to none yet
  bool is_bound = false;
  PerLane<LaneProgress> progress;
};

// A run of numbers that is passed over, and what it adds to the ledger.
struct SkippedRun {
  SeqRange numbers;
  Ledger delta;
};

// Numbers first..last without those in `completed`.
std::vector<SeqRange> without(SeqRange range, const std::vector<SeqRange>& completed) {
  std::vector<SeqRange> runs;
  Seq next = range.first;
  for (const SeqRange& done : completed) {
    if (done.last < next || done.first > range.last) continue;
    if (done.first > next) runs.push_back({next, done.first - 1});
    next = done.last + 1;
  }
  if (next <= range.last) runs.push_back({next, range.last});
  return runs;
}

// The last number of which the store has known the epoch.
Seq shared_up_to(const std::vector<EpochRow>& queue, const std::vector<EpochRow>& store,
                 Lane lane) {
  Seq last = std::numeric_limits<Seq>::max();
  for (const EpochRow& row : queue) {
    const bool is_known =
        std::ranges::any_of(store, [&](const EpochRow& known) { return known.epoch == row.epoch; });
    if (!is_known) last = std::min(last, row.first[lane] - 1);
  }
  return last;
}

Result<LaneProgress> read_progress(Database& database, Lane lane) {
  SLUICE_ASSIGN(const auto newest, database.newest(kLanesFamily, lane_prefix(lane)));
  if (!newest) return LaneProgress{};
  SLUICE_ASSIGN(LaneRow row, decode_lane_row(newest->value));
  SLUICE_ASSIGN(row.progress.completed, completed_beyond(database, lane, row.progress.position));
  return row.progress;
}

// Every row, since what cannot be read would stop the shipper now, or a compaction some day.
Result<void> check_readable(Database& database) {
  for (const ColumnFamilySpec& family : delivery_families()) {
    const std::unique_ptr<rocksdb::Iterator> it(
        database.db().NewIterator(scan_options(), database.family(family.name)));
    for (it->SeekToFirst(); it->Valid();) it->Next();
    if (!it->status().ok()) {
      return fail(database_error("read the database", database.path(), it->status()));
    }
  }
  return {};
}

// What the store says, if it can be read and is of this queue or of none yet.
Result<std::optional<StoreFacts>> facts_of(Database& database, const Id128& queue_id) {
  SLUICE_TRY(check_readable(database));
  StoreFacts facts;
  SLUICE_ASSIGN(const auto bound, database.newest(kDefaultFamily, kBindingPrefix));
  if (bound) {
    SLUICE_ASSIGN(const Binding binding, decode_binding(bound->value));
    if (binding.queue_id != queue_id) return std::nullopt;
    facts.is_bound = true;
  }
  for (const Lane lane : kLanes) {
    SLUICE_ASSIGN(facts.progress[lane], read_progress(database, lane));
  }
  SLUICE_TRY(LedgerStore::load(database));
  SLUICE_TRY(read_epochs(database));
  SLUICE_TRY(JobRows::load(database));
  facts.is_usable = true;
  return facts;
}

class Adopter {
 public:
  explicit Adopter(const AdoptOptions& options)
      : options_(options), paths_(options.paths), now_(clock_of(options.clock).now()) {}

  Result<Adoption> run();

 private:
  Result<void> lock_queue();
  Result<void> lock_store();
  Result<void> make_store_folder();
  Result<void> read_queue();
  Result<void> read_store();
  Result<Seq> target(Lane lane) const;
  Result<void> plan();
  Result<void> plan_skip(Database* database, Lane lane);
  Result<void> put_store_aside();
  Result<void> write_store();
  Result<void> write_lane(Database* database, Lane lane, LedgerStore* ledger,
                          rocksdb::WriteBatch* batch);
  Result<bool> go_back(Database* database, Lane lane, LedgerStore* ledger,
                       rocksdb::WriteBatch* batch);
  Result<void> begin_anew(Database* database, Lane lane, LedgerStore* ledger,
                          rocksdb::WriteBatch* batch);
  Result<void> cancel_replays(Database* database, const std::vector<EpochRow>& store_epochs,
                              rocksdb::WriteBatch* batch);
  Result<void> write_queue();

  const AdoptOptions& options_;
  const InstancePaths& paths_;
  const Timestamp now_;
  std::optional<FileLock> queue_lock_;
  std::optional<FileLock> delivery_lock_;
  QueueFacts queue_;
  StoreFacts store_;
  PerLane<std::vector<SkippedRun>> skipped_;
  PerLane<LaneProgress> progress_;  // as it will be
  std::uint64_t version_ = 0;       // of the write to the store
  Adoption result_;
};

Result<Adoption> Adopter::run() {
  SLUICE_TRY(lock_queue());
  SLUICE_TRY(lock_store());
  SLUICE_TRY(read_queue());
  SLUICE_TRY(read_store());
  SLUICE_TRY(plan());
  SLUICE_TRY(write_store());
  SLUICE_TRY(write_queue());
  return std::move(result_);
}

Result<void> Adopter::lock_queue() {
  if (!fs::exists(paths_.queue_db() / "CURRENT")) {
    return fail(ErrorKind::kNotFound,
                fmt::format("there is no queue at {}: restore it from a backup; or, to begin a new "
                            "one, move {}, {} and {} aside and start the daemons",
                            paths_.queue().string(), paths_.queue().string(),
                            paths_.delivery().string(), paths_.shipper().string()));
  }
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.queue()));
  SLUICE_ASSIGN(FileLock taken, FileLock::take(paths_.queue_lock(), "the queue"));
  queue_lock_.emplace(std::move(taken));
  return check_format_for_writing(paths_.queue(), kQueueFormat);
}

Result<void> Adopter::lock_store() {
  if (!fs::exists(paths_.sink())) SLUICE_TRY(make_store_folder());
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.sink()));
  SLUICE_ASSIGN(FileLock taken, FileLock::take(paths_.delivery_lock(), "the delivery store"));
  delivery_lock_.emplace(std::move(taken));
  const auto format = check_format(paths_.sink(), kDeliveryFormat);
  const bool is_newer = !format && format.error().kind == ErrorKind::kFormat;
  if (is_newer) return fail(format.error());
  return {};
}

// The folder of the shipper's page says whose the store has to be.
Result<void> Adopter::make_store_folder() {
  struct stat info{};
  if (::stat(paths_.shipper().c_str(), &info) != 0) {
    return fail(ErrorKind::kNotFound,
                fmt::format("neither {} nor {} is there, so it is not known who the delivery store "
                            "belongs to: start sluice-shipper once, which makes them",
                            paths_.sink().string(), paths_.shipper().string()));
  }
  for (const fs::path& folder : {paths_.delivery(), paths_.sink()}) {
    if (fs::exists(folder)) continue;
    if (::mkdir(folder.c_str(), 0700) != 0) {
      return fail(errno_error("make the directory", folder.string()));
    }
    if (::geteuid() == 0 && ::chown(folder.c_str(), info.st_uid, info.st_gid) != 0) {
      return fail(errno_error("give to its owner", folder.string()));
    }
  }
  return {};
}

Result<void> Adopter::read_queue() {
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.queue()));
  SLUICE_ASSIGN(const auto database,
                Database::open_primary(paths_.queue_db(), queue_families(), nullptr));
  SLUICE_ASSIGN(const auto id, database->get(kDefaultFamily, kQueueIdKey));
  SLUICE_ASSIGN(queue_.epochs, read_epochs(*database));
  if (!id || queue_.epochs.empty()) {
    return fail(ErrorKind::kNotFound,
                fmt::format("the queue at {} was never begun: start sluice-fetcher",
                            paths_.queue().string()));
  }
  queue_.id = id_from_bytes(*id);
  SLUICE_ASSIGN(const auto cluster, database->get(kDefaultFamily, kClusterKey));
  queue_.cluster = cluster.value_or("");
  SLUICE_ASSIGN(const auto machine, database->newest(kDefaultFamily, kMachineIdPrefix));
  if (machine) queue_.machine_version = machine->version;
  SLUICE_ASSIGN(const auto floor, database->newest(kDefaultFamily, kFloorPrefix));
  const auto numbers = floor ? decode_lane_numbers(floor->value) : std::nullopt;
  for (const Lane lane : kLanes) {
    queue_.floor[lane] = numbers ? (*numbers)[lane] : 1;
    const std::unique_ptr<rocksdb::Iterator> it(
        database->db().NewIterator(scan_options(), database->family(name_of(lane))));
    it->SeekToLast();
    if (!it->status().ok()) {
      return fail(database_error("read the database", database->path(), it->status()));
    }
    queue_.last[lane] = queue_.floor[lane] - 1;
    if (!it->Valid()) continue;
    ByteReader key({it->key().data(), it->key().size()});
    queue_.last[lane] = std::max(queue_.last[lane], key.big<Seq>());
  }
  result_.queue_id = queue_.id;
  return {};
}

// A store that cannot be read, or is of another queue, is put aside later; that is no error here.
Result<void> Adopter::read_store() {
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.sink()));
  if (!fs::exists(paths_.delivery_db() / "CURRENT")) return {};
  if (const auto format = check_format_for_writing(paths_.sink(), kDeliveryFormat); !format) {
    if (format.error().kind == ErrorKind::kFormat) return format;
    return {};
  }
  auto opened = Database::open_primary(paths_.delivery_db(), delivery_families(), nullptr);
  if (!opened) {
    if (opened.error().kind != ErrorKind::kCorrupt) return fail(opened.error());
    return {};
  }
  const auto facts = facts_of(**opened, queue_.id);
  if (facts && *facts) store_ = **facts;
  return {};
}

// The position that a lane gets.
Result<Seq> Adopter::target(Lane lane) const {
  const Seq position = store_.progress[lane].position;
  const bool stays = options_.lane && *options_.lane != lane;
  Seq wanted = position;
  if (!stays && options_.from.kind == AdoptFrom::Kind::kFloor) wanted = queue_.floor[lane] - 1;
  if (!stays && options_.from.kind == AdoptFrom::Kind::kNumber) wanted = options_.from.number - 1;
  if (wanted > queue_.last[lane]) {
    return fail(ErrorKind::kUsage,
                fmt::format("lane {} of the queue ends at {}, so delivery cannot go on from {}: "
                            "give --from floor, or a number up to {}",
                            name_of(lane), queue_.last[lane], wanted + 1, queue_.last[lane] + 1));
  }
  if (wanted + 1 < queue_.floor[lane]) {
    return fail(ErrorKind::kUsage,
                fmt::format("lane {} of the queue keeps nothing before {}, so delivery cannot go "
                            "on from {}: give --from floor",
                            name_of(lane), queue_.floor[lane], wanted + 1));
  }
  return wanted;
}

Result<void> Adopter::plan() {
  if (options_.from.kind == AdoptFrom::Kind::kPosition && !store_.is_bound) {
    return fail(ErrorKind::kIdentity,
                fmt::format("the delivery store at {} does not know how far queue {} is delivered: "
                            "give --from floor, or the number to go on from",
                            paths_.sink().string(), queue_.id.short_string()));
  }
  if (options_.from.kind == AdoptFrom::Kind::kNumber && options_.from.number == 0) {
    return fail(ErrorKind::kUsage, "numbers begin at 1");
  }
  for (const Lane lane : kLanes) {
    SLUICE_ASSIGN(const Seq wanted, target(lane));
    result_.lanes[lane].before = store_.progress[lane].position;
    result_.lanes[lane].after = wanted;
  }
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.queue()));
  SLUICE_ASSIGN(const auto database,
                Database::open_primary(paths_.queue_db(), queue_families(), nullptr));
  for (const Lane lane : kLanes) SLUICE_TRY(plan_skip(database.get(), lane));
  return {};
}

// What is passed over counts on the days of its events; what is trimmed already, today.
Result<void> Adopter::plan_skip(Database* database, Lane lane) {
  const LaneAdoption& change = result_.lanes[lane];
  if (change.after <= change.before) return {};
  const std::unique_ptr<rocksdb::Iterator> it(
      database->db().NewIterator(scan_options(), database->family(name_of(lane))));
  for (const SeqRange& run :
       without({change.before + 1, change.after}, store_.progress[lane].completed)) {
    SkippedRun skipped{run, {}};
    std::uint64_t counted = 0;
    for (it->Seek(record_key(run.first)); it->Valid(); it->Next()) {
      ByteReader key({it->key().data(), it->key().size()});
      const Seq seq = key.big<Seq>();
      if (seq > run.last) break;
      const auto record = decode_record(lane, seq, {it->value().data(), it->value().size()});
      if (!record) continue;
      LedgerRow& row = skipped.delta[{day_of(record->time), lane}];
      ++row.skipped;
      row.set_aside_ids.add_id(record->id);
      ++counted;
    }
    if (counted < run.count()) {
      skipped.delta[{day_of(now_), lane}].skipped += run.count() - counted;
    }
    skipped_[lane].push_back(std::move(skipped));
  }
  return {};
}

Result<void> Adopter::put_store_aside() {
  if (store_.is_usable || !fs::exists(paths_.delivery_db())) return {};
  std::string time = format_rfc3339({now_.seconds, 0});
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  result_.aside = paths_.sink() / ("db.replaced-" + time);
  if (::rename(paths_.delivery_db().c_str(), result_.aside.c_str()) != 0) {
    return fail(errno_error("rename to", result_.aside.string()));
  }
  return sync_directory(paths_.sink());
}

Result<void> Adopter::write_store() {
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.sink()));
  SLUICE_TRY(put_store_aside());
  const auto format = check_format_for_writing(paths_.sink(), kDeliveryFormat);
  if (!format && format.error().kind == ErrorKind::kFormat) return format;
  if (!format) SLUICE_TRY(write_format(paths_.sink(), kDeliveryFormat));
  SLUICE_ASSIGN(const auto database,
                Database::open_primary(paths_.delivery_db(), delivery_families(), nullptr));
  rocksdb::WriteBatch batch;
  SLUICE_ASSIGN(const auto stored_id, database->get(kDefaultFamily, kStoreIdKey));
  result_.delivery_id = stored_id ? id_from_bytes(*stored_id) : Id128::random();
  result_.store_is_new = !stored_id;
  if (!stored_id) batch.Put(std::string(kStoreIdKey), id_bytes(result_.delivery_id));
  SLUICE_ASSIGN(LedgerStore ledger, LedgerStore::load(*database));
  SLUICE_ASSIGN(version_, newest_version_of(*database));
  version_ = std::max(version_, ledger.newest_version()) + 1;
  for (const Lane lane : kLanes) SLUICE_TRY(write_lane(database.get(), lane, &ledger, &batch));
  SLUICE_ASSIGN(const auto bound, database->newest(kDefaultFamily, kBindingPrefix));
  if (bound) batch.Delete(binding_key(bound->version));
  batch.Put(binding_key(version_),
            encode_binding({queue_.id, queue_.cluster, options_.machine.machine_id}));
  SLUICE_ASSIGN(const auto old_epochs, read_epochs(*database));
  SLUICE_TRY(cancel_replays(database.get(), old_epochs, &batch));
  for (const EpochRow& row : old_epochs) delete_epoch_row(*database, row, &batch);
  for (const EpochRow& row : queue_.epochs) put_epoch_row(*database, row, &batch);
  batch.Delete(std::string(kRetiredKey));
  for (const Lane lane : kLanes) {
    const LaneAdoption& change = result_.lanes[lane];
    put_journal_line(
        *database, version_, now_,
        fmt::format("adopted queue {}: lane {}: position {} is now {}, {} numbers "
                    "skipped, {} delivered again; {}",
                    queue_.id.short_string(), name_of(lane), change.before, change.after,
                    change.skipped, change.again, by_whom(options_.reason)),
        &batch);
  }
  return database->write(&batch);
}

Result<void> Adopter::write_lane(Database* database, Lane lane, LedgerStore* ledger,
                                 rocksdb::WriteBatch* batch) {
  LaneAdoption& change = result_.lanes[lane];
  LaneProgress& at = progress_[lane];
  at = store_.progress[lane];
  if (change.after < change.before) {
    SLUICE_ASSIGN(const bool done, go_back(database, lane, ledger, batch));
    if (!done) SLUICE_TRY(begin_anew(database, lane, ledger, batch));
    // Dead letters that are counted no more stay, as evidence.
    SLUICE_ASSIGN(DeadLetterRows letters, DeadLetterRows::load(*database));
    SLUICE_TRY(letters.void_from(*database, lane, done ? change.after + 1 : 1, version_, batch));
  }
  for (const SkippedRun& run : skipped_[lane]) {
    change.skipped += run.numbers.count();
    at.skipped += run.numbers.count();
    ledger->add(*database, run.delta, version_, batch);
    batch->Put(database->family(kAnswersFamily), answer_key(lane, run.numbers.first),
               encode_answer({run.numbers, run.delta}));
  }
  if (change.after > at.position) at.position = change.after;
  std::erase_if(at.completed, [&](const SeqRange& range) { return range.last <= at.position; });
  if (!at.completed.empty() && at.completed.front().first <= at.position + 1) {
    at.position = at.completed.front().last;
    at.completed.erase(at.completed.begin());
  }
  change.after = at.position;
  SLUICE_ASSIGN(const auto newest, database->newest(kLanesFamily, lane_prefix(lane)));
  const auto key = [&](std::uint64_t version) {
    std::string bytes = lane_prefix(lane);
    put_big(&bytes, version);
    return bytes;
  };
  if (newest) batch->Delete(database->family(kLanesFamily), key(newest->version));
  LaneRow row;
  row.queue_id = queue_.id;
  row.epoch = queue_.epochs.back().epoch;
  row.completed_count = at.completed_count();
  row.progress = at;
  batch->Put(database->family(kLanesFamily), key(version_), encode_lane_row(row));
  return {};
}

// Takes back what was accounted for behind the wanted position, if it is still known exactly.
// False: it is not.
Result<bool> Adopter::go_back(Database* database, Lane lane, LedgerStore* ledger,
                              rocksdb::WriteBatch* batch) {
  LaneAdoption& change = result_.lanes[lane];
  LaneProgress& at = progress_[lane];
  SLUICE_ASSIGN(auto answers, answers_from(*database, lane, 0));
  std::erase_if(answers, [&](const AnswerRow& row) { return row.numbers.last <= change.after; });
  if (answers.empty()) return false;
  const Seq first = std::min(answers.front().numbers.first, change.after + 1);
  std::uint64_t known = 0;
  for (const AnswerRow& answer : answers) known += answer.numbers.count();
  const std::uint64_t accounted = at.position - (first - 1) + at.completed_count();
  if (known != accounted || first < queue_.floor[lane]) return false;
  for (const AnswerRow& answer : answers) {
    const LedgerRow sum = total_of(answer.delta, lane);
    at.acknowledged -= sum.acknowledged;
    at.dead -= sum.dead;
    at.skipped -= sum.skipped;
    at.gap -= sum.gap;
    ledger->subtract(*database, answer.delta, version_, batch);
    batch->Delete(database->family(kAnswersFamily), answer_key(lane, answer.numbers.first));
  }
  at.voided += known;
  at.position = first - 1;
  at.completed.clear();
  change.after = at.position;
  change.again = known;
  return true;
}

// What was delivered is no longer known number by number, so the counts begin anew: everything
// before the new position counts as skipped, though much of it was delivered.
Result<void> Adopter::begin_anew(Database* database, Lane lane, LedgerStore* ledger,
                                 rocksdb::WriteBatch* batch) {
  LaneAdoption& change = result_.lanes[lane];
  LaneProgress& at = progress_[lane];
  change.again = at.position + at.completed_count() - change.after;
  Ledger delivered;
  for (const auto& [key, row] : ledger->rows()) {
    if (key.lane == lane) delivered.emplace(key, row);
  }
  ledger->subtract(*database, delivered, version_, batch);
  Ledger before;
  if (change.after > 0) before[{day_of(now_), lane}].skipped = change.after;
  ledger->add(*database, before, version_, batch);
  SLUICE_ASSIGN(const auto answers, answers_from(*database, lane, 0));
  for (const AnswerRow& answer : answers) {
    batch->Delete(database->family(kAnswersFamily), answer_key(lane, answer.numbers.first));
  }
  const std::uint64_t voided = at.voided + change.again;
  at = LaneProgress{};
  at.position = change.after;
  at.skipped = change.after;
  at.voided = voided;
  return {};
}

// A job means events by their numbers. Those of an epoch that the store has not known may be
// others, and what is behind a position that goes back is sent by the live flow.
Result<void> Adopter::cancel_replays(Database* database, const std::vector<EpochRow>& store_epochs,
                                     rocksdb::WriteBatch* batch) {
  PerLane<Seq> known_to;
  for (const Lane lane : kLanes) {
    known_to[lane] = shared_up_to(queue_.epochs, store_epochs, lane);
  }
  SLUICE_ASSIGN(JobRows jobs, JobRows::load(*database));
  const auto all = jobs.jobs();
  for (const auto& [id, job] : all) {
    const LaneAdoption& change = result_.lanes[job.spec.lane];
    const bool goes_back = change.after < change.before;
    const bool is_other = job.progress.last > known_to[job.spec.lane];
    if (!job.is_active() || (!goes_back && !is_other)) continue;
    ReplayProgress now = job.progress;
    now.state = ReplayState::kCancelled;
    now.remark = fmt::format("cancelled by an adoption, after which {}; {}",
                             goes_back ? "these events are delivered again anyway"
                                       : "its numbers may belong to other events",
                             by_whom(options_.reason));
    now.changed_at_ms = to_unix_ms(now_);
    put_journal_line(*database, version_, now_, fmt::format("replay {} {}", id, now.remark), batch);
    jobs.set_progress(*database, id, std::move(now), version_, batch);
    result_.cancelled_replays.push_back(id);
  }
  return {};
}

Result<void> Adopter::write_queue() {
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths_.queue()));
  SLUICE_ASSIGN(const auto database,
                Database::open_primary(paths_.queue_db(), queue_families(), nullptr));
  rocksdb::WriteBatch batch;
  batch.Put(std::string(kDeliveryIdKey), id_bytes(result_.delivery_id));
  std::string key(kMachineIdPrefix);
  put_big(&key, queue_.machine_version + 1);
  batch.Put(key, options_.machine.machine_id);
  batch.Delete(std::string(kRetiredKey));
  return database->write(&batch);
}

Result<void> retire_half(const fs::path& folder, const fs::path& path,
                         const std::vector<ColumnFamilySpec>& families, std::string_view kind,
                         const std::string& line, Timestamp now) {
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(folder));
  SLUICE_TRY(check_format_for_writing(folder, kind));
  SLUICE_ASSIGN(const auto database, Database::open_primary(path, families, nullptr));
  rocksdb::WriteBatch batch;
  batch.Put(rocksdb::Slice(kRetiredKey), line);
  if (database->has_family(kJournalFamily)) {
    SLUICE_ASSIGN(const std::uint64_t version, newest_version_of(*database));
    put_journal_line(*database, version + 1, now, "retired: " + line, &batch);
  }
  return database->write(&batch);
}

}  // namespace

Result<Adoption> adopt(const AdoptOptions& options) {
  Adopter adopter(options);
  return adopter.run();
}

// The queue first: what is refused then stays refused, and a second call finishes it.
Result<void> retire(const RetireOptions& options) {
  const InstancePaths& paths = options.paths;
  const Timestamp now = clock_of(options.clock).now();
  const std::string line = retired_line(now, options.reason);
  std::optional<FileLock> queue_lock;
  std::optional<FileLock> delivery_lock;
  {
    SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths.queue()));
    SLUICE_ASSIGN(FileLock taken, FileLock::take(paths.queue_lock(), "the queue"));
    queue_lock.emplace(std::move(taken));
  }
  if (fs::exists(paths.delivery_db())) {
    SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths.sink()));
    SLUICE_ASSIGN(FileLock taken, FileLock::take(paths.delivery_lock(), "the delivery store"));
    delivery_lock.emplace(std::move(taken));
  }
  SLUICE_TRY(
      retire_half(paths.queue(), paths.queue_db(), queue_families(), kQueueFormat, line, now));
  if (!delivery_lock) return {};
  return retire_half(paths.sink(), paths.delivery_db(), delivery_families(), kDeliveryFormat, line,
                     now);
}

}  // namespace sluice::queue
