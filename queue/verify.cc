#include "queue/verify.h"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/dead_letter.h"
#include "queue/dead_letter_rows.h"
#include "queue/delivery_reader.h"
#include "queue/delivery_schema.h"
#include "queue/event_json.h"
#include "queue/file_lock.h"
#include "queue/format_file.h"
#include "queue/history.h"
#include "queue/job_rows.h"
#include "queue/ledger.h"
#include "queue/queue_schema.h"
#include "queue/reader.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kProgressInterval{200};
constexpr int kTriesMax = 50;
constexpr milliseconds kRetryPause{20};
// A hole of a running fetcher heals within a flush; on a stopped queue nothing heals.
constexpr milliseconds kPatienceRunning{1'000};
constexpr milliseconds kPatienceStopped{20};
constexpr std::size_t kProblemsMax = 1'000;

bool passes_by_itself(ErrorKind kind) {
  return kind == ErrorKind::kEpochChanged || kind == ErrorKind::kBusy;
}

bool is_running(const std::filesystem::path& lock) {
  const auto holder = FileLock::holder(lock);
  return !holder || holder->has_value();  // who may not look must be as patient as if it ran
}

class Verifier {
 public:
  explicit Verifier(const VerifyOptions& options) : options_(options) {}
  ~Verifier() {
    reader_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(options_.scratch, ignored);
  }
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  Result<VerifyReport> run();

 private:
  template <typename T>
  Result<T> patiently(const std::function<Result<T>()>& attempt);

  Result<void> check_queue();
  Result<void> check_records();
  Result<void> check_lane(Lane lane, Seq end);
  Result<Seq> step_over(Lane lane, Seq at, Seq end, const Error& why);
  void check_record(Lane lane, const StoredRecord& stored);
  void add_damage(Lane lane, SeqRange numbers, std::string why);
  void check_ledger(Lane lane, const Ledger& expected);
  void check_queue_rows();
  void check_history(Database* database);
  void check_tables(Database* database, bool skip_lanes);
  Result<std::vector<rocksdb::LiveFileMetaData>> listed_tables() const;
  void check_delivery();
  void check_positions(const DeliveryView& view);
  void check_delivery_rows();
  void check_jobs(Database* database);
  void check_letters(Database* database);
  void check_pages();
  void report_progress(bool is_last);
  void problem(std::string sentence) {
    if (report_.problems.size() < kProblemsMax) report_.problems.push_back(std::move(sentence));
  }

  const VerifyOptions& options_;
  VerifyReport report_;
  std::unique_ptr<Reader> reader_;
  std::optional<QueueView> view_;
  EventJson json_;
  PerLane<Ledger> counted_;
  PerLane<bool> is_whole_;  // nothing trimmed, nothing damaged, no gaps: days can be compared
  VerifyProgress progress_;
  std::chrono::steady_clock::time_point next_progress_{};
};

template <typename T>
Result<T> Verifier::patiently(const std::function<Result<T>()>& attempt) {
  for (int i = 1;; ++i) {
    auto result = attempt();
    if (result || !passes_by_itself(result.error().kind) || i == kTriesMax) return result;
    std::this_thread::sleep_for(kRetryPause);
    if (reader_ != nullptr && result.error().kind == ErrorKind::kEpochChanged) {
      // Its own failure shows at the next attempt.
      if (const auto reopened = reader_->reopen(); !reopened) continue;
    }
  }
}

Result<VerifyReport> Verifier::run() {
  SLUICE_TRY(check_queue());
  check_delivery();
  check_pages();
  report_progress(true);
  if (!report_.queue_found && !report_.delivery_found) {
    return fail(ErrorKind::kNotFound,
                fmt::format("there is no queue at {} yet", options_.paths.root.string()));
  }
  return std::move(report_);
}

Result<void> Verifier::check_queue() {
  const InstancePaths& paths = options_.paths;
  const auto format = check_format(paths.queue(), kQueueFormat);
  if (!format) {
    const ErrorKind kind = format.error().kind;
    if (kind == ErrorKind::kNotFound && !std::filesystem::exists(paths.queue_db())) return {};
    if (kind != ErrorKind::kCorrupt && kind != ErrorKind::kNotFound) return fail(format.error());
    report_.queue_found = true;
    problem(format.error().message);
    return {};
  }
  report_.queue_found = true;
  ReaderOptions reader_options;
  reader_options.paths = paths;
  reader_options.scratch = options_.scratch / "queue";
  reader_options.hole_patience =
      is_running(paths.queue_lock()) ? kPatienceRunning : kPatienceStopped;
  // A page that is not valid is no damage: the fetcher makes it anew.
  PageReader page(paths.fetcher_page(), PageRole::kFetcher);
  const auto payload = page.read();
  const bool has_page = payload && decode_fetcher_page(*payload);
  reader_options.without_page = !has_page && !is_running(paths.queue_lock());
  auto opened = patiently<std::unique_ptr<Reader>>([&] { return Reader::open(reader_options); });
  if (!opened) {
    if (opened.error().kind == ErrorKind::kCannotCreate) return fail(opened.error());
    problem(opened.error().message);
    return {};
  }
  reader_ = std::move(*opened);
  if (const auto checked = check_records(); !checked) {
    problem(checked.error().message);
  } else {
    report_.records_checked = true;
  }
  check_queue_rows();
  return {};
}

// The ledger is read first: its totals say how far it counts, and so what to hold it against.
Result<void> Verifier::check_records() {
  SLUICE_ASSIGN(view_, patiently<QueueView>([&] { return reader_->view(); }));
  SLUICE_ASSIGN(const Ledger ledger, patiently<Ledger>([&] { return reader_->ledger(); }));
  PerLane<Seq> end;
  for (const Lane lane : kLanes) {
    end[lane] = std::max(total_of(ledger, lane).queued, view_->durable[lane]);
    // What the ledger counts beyond the durable number is being synced at this moment, or is of a
    // batch whose writer was killed.
    for (int i = 0; i < kTriesMax; ++i) {
      const auto durable = reader_->durable(lane);
      if (!durable || *durable >= end[lane]) break;
      if (i + 1 < kTriesMax) {
        std::this_thread::sleep_for(kRetryPause);
        continue;
      }
      end[lane] = *durable;
    }
    report_.lanes[lane].floor = view_->floor[lane];
    report_.lanes[lane].last = end[lane];
    is_whole_[lane] = view_->floor[lane] == 1;
    progress_.total += end[lane] + 1 - std::min(view_->floor[lane], end[lane] + 1);
  }
  for (const Lane lane : kLanes) {
    SLUICE_TRY(check_lane(lane, end[lane]));
    check_ledger(lane, ledger);
  }
  return {};
}

Result<void> Verifier::check_lane(Lane lane, Seq end) {
  ReadLimits limits;
  limits.records_max = 4'096;
  limits.bytes_max = 4U << 20;
  for (Seq next = view_->floor[lane]; next <= end;) {
    const auto batch = patiently<RecordBatch>([&] { return reader_->read(lane, next, limits); });
    if (!batch) {
      const Seq from = next;
      SLUICE_ASSIGN(next, step_over(lane, next, end, batch.error()));
      progress_.done += next - from;
      report_progress(false);
      continue;
    }
    // Numbers can go back when the fetcher has lost its last ones: they are given anew.
    if (batch->empty()) {
      report_.lanes[lane].last = next - 1;
      is_whole_[lane] = false;
      break;
    }
    for (const StoredRecord& record : batch->records()) {
      if (record.seq > end) break;
      check_record(lane, record);
    }
    const Seq after = std::min(batch->records().back().seq, end) + 1;
    progress_.done += after - next;
    next = after;
    report_progress(false);
  }
  return {};
}

// The number to go on with behind what cannot be read at `at`.
Result<Seq> Verifier::step_over(Lane lane, Seq at, Seq end, const Error& why) {
  if (passes_by_itself(why.kind)) return fail(why);
  SLUICE_ASSIGN(const QueueView now, patiently<QueueView>([&] { return reader_->view(); }));
  if (now.floor[lane] > at) {  // it was trimmed meanwhile
    report_.lanes[lane].floor = now.floor[lane];
    is_whole_[lane] = false;
    return now.floor[lane];
  }
  SLUICE_ASSIGN(const Seq readable,
                patiently<Seq>([&] { return reader_->next_readable(lane, at + 1); }));
  const Seq next = std::min(readable, end + 1);
  add_damage(lane, {at, next - 1}, why.message);
  return next;
}

void Verifier::add_damage(Lane lane, SeqRange numbers, std::string why) {
  report_.lanes[lane].damaged += numbers.count();
  is_whole_[lane] = false;
  if (!report_.ranges.empty()) {
    DamagedRange& before = report_.ranges.back();
    const bool continues = report_.range_count == report_.ranges.size() && before.lane == lane &&
                           before.numbers.last + 1 == numbers.first && before.why == why;
    if (continues) {
      before.numbers.last = numbers.last;
      return;
    }
  }
  ++report_.range_count;
  if (report_.ranges.size() < kDamageShown) {
    report_.ranges.push_back({lane, numbers, std::move(why)});
  }
}

void Verifier::check_record(Lane lane, const StoredRecord& stored) {
  LaneCheck& check = report_.lanes[lane];
  const RecordView& record = stored.record;
  if (record.id.empty()) {
    add_damage(lane, {stored.seq, stored.seq}, "it has no id");
    return;
  }
  if (record.kind == RecordKind::kEvent && !json_.is_object(record.body)) {
    add_damage(lane, {stored.seq, stored.seq}, "its event is not a JSON object");
    return;
  }
  ++check.records;
  check.bytes += record.body.size();
  progress_.bytes += record.body.size();
  if (record.kind == RecordKind::kReject) ++check.rejects;
  if (record.kind == RecordKind::kGap) {
    ++check.gaps;
    is_whole_[lane] = false;
  }
  if (!is_whole_[lane]) return;
  LedgerRow& row = counted_[lane][{day_of(record.time), lane}];
  ++row.queued;
  row.queued_ids.add_id(record.id);
}

void Verifier::check_ledger(Lane lane, const Ledger& expected) {
  const LaneCheck& check = report_.lanes[lane];
  const std::uint64_t total = total_of(expected, lane).queued;
  if (total < check.last) {
    problem(fmt::format("the ledger of lane {} counts {} events, and the queue has had {}",
                        name_of(lane), total, check.last));
    return;
  }
  if (!is_whole_[lane] || total != check.last) return;
  for (const auto& [key, row] : expected) {
    if (key.lane != lane) continue;
    const LedgerRow& found = counted_[lane][key];
    if (found.queued == row.queued && found.queued_ids == row.queued_ids) continue;
    problem(fmt::format("the ledger of lane {} says {} events of {}, and the queue holds {}{}",
                        name_of(lane), row.queued, format_day(key.day), found.queued,
                        found.queued == row.queued ? " others" : ""));
  }
}

void Verifier::check_queue_rows() {
  const InstancePaths& paths = options_.paths;
  auto opened = patiently<std::unique_ptr<Database>>([&] {
    return Database::open_secondary(paths.queue_db(), options_.scratch / "rows", queue_families());
  });
  if (!opened) return problem(opened.error().message);
  const auto floor = (*opened)->newest(kDefaultFamily, kFloorPrefix);
  if (!floor) problem(floor.error().message);
  if (floor && *floor && !decode_lane_numbers((*floor)->value)) {
    problem(fmt::format("the row of the floor in {} cannot be read", paths.queue_db().string()));
  }
  if ((*opened)->has_family(kHistoryFamily)) check_history(opened->get());
  check_tables(opened->get(), report_.records_checked);
}

void Verifier::check_history(Database* database) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database->db().NewIterator(scan_options(), database->family(kHistoryFamily)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const auto row = decode_history_row(it->key().ToStringView(), it->value().ToStringView());
    const bool is_sound = row && std::ranges::all_of(kLanes, [&](Lane lane) {
                            return row->position[lane] <= row->durable[lane];
                          });
    if (is_sound) continue;
    ByteReader key(it->key().ToStringView());
    const auto time = static_cast<std::int64_t>(key.big<std::uint64_t>());
    problem(fmt::format("the history row of {} in {} is damaged",
                        format_rfc3339(from_unix_ms(time)), database->path().string()));
  }
  if (!it->status().ok()) {
    problem(database_error("read the history in", database->path(), it->status()).message);
  }
}

// The tables that the MANIFEST of a stopped queue lists. A secondary leaves out those that it
// cannot open, and shows an earlier state instead.
Result<std::vector<rocksdb::LiveFileMetaData>> Verifier::listed_tables() const {
  const std::string path = options_.paths.queue_db().string();
  rocksdb::Options options;
  // Without this RocksDB aborts where the MANIFEST lists logs.
  options.track_and_verify_wals_in_manifest = true;
  std::vector<std::string> names;
  rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, path, &names);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const auto& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  if (status.ok()) {
    // Its own log would be written into the queue's folder.
    status = options.env->NewLogger((options_.scratch / "tables.log").string(), &options.info_log);
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  if (status.ok()) {
    status = rocksdb::DB::OpenForReadOnly(options, path, families, &handles, &opened);
  }
  if (!status.ok()) return fail(database_error("list the tables of", path, status));
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::vector<rocksdb::LiveFileMetaData> files;
  db->GetLiveFilesMetaData(&files);
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
  return files;
}

// The blocks of the lanes were read, with their checksums, when their records were.
void Verifier::check_tables(Database* database, bool skip_lanes) {
  std::vector<rocksdb::LiveFileMetaData> files;
  database->db().GetLiveFilesMetaData(&files);
  if (!is_running(options_.paths.queue_lock())) {
    auto listed = listed_tables();
    if (!listed) return problem(listed.error().message);
    files = std::move(*listed);
  }
  for (const auto& file : files) {
    if (skip_lanes && lane_from_name(file.column_family_name)) continue;
    const std::string path = file.db_path + file.name;
    rocksdb::SstFileReader table{rocksdb::Options()};
    rocksdb::Status status = table.Open(path);
    if (status.ok()) status = table.VerifyChecksum();
    if (status.ok()) {
      ++report_.table_files;
      continue;
    }
    // A running daemon may have merged it into another meanwhile.
    if (is_running(options_.paths.queue_lock()) && !std::filesystem::exists(path)) continue;
    problem(
        fmt::format("{} ({}) is damaged: {}", path, file.column_family_name, status.ToString()));
  }
}

void Verifier::check_delivery() {
  const InstancePaths& paths = options_.paths;
  std::error_code error;
  if (!std::filesystem::exists(paths.sink(), error)) {
    if (error)
      report_.notes.push_back(fmt::format("the delivery store at {} may not be read: {}",
                                          paths.sink().string(), error.message()));
    return;
  }
  auto opened = patiently<std::unique_ptr<DeliveryReader>>(
      [&] { return DeliveryReader::open(paths, options_.scratch / "delivery"); });
  if (!opened) {
    const ErrorKind kind = opened.error().kind;
    if (kind == ErrorKind::kCannotCreate) return report_.notes.push_back(opened.error().message);
    if (kind == ErrorKind::kNotFound && !std::filesystem::exists(paths.delivery_db())) return;
    report_.delivery_found = true;
    return problem(opened.error().message);
  }
  report_.delivery_found = true;
  const auto view = (*opened)->view();
  if (!view) return problem(view.error().message);
  check_positions(*view);
  check_delivery_rows();
}

void Verifier::check_positions(const DeliveryView& view) {
  if (view.queue_id.is_zero()) return;
  if (view_ && view.queue_id != view_->queue_id) {
    problem(fmt::format("the delivery store {} belongs to queue {}, and this is queue {}",
                        view.delivery_id.short_string(), view.queue_id.short_string(),
                        view_->queue_id.short_string()));
    return;
  }
  if (view_ && view_->delivery_id && *view_->delivery_id != view.delivery_id) {
    problem(fmt::format("the queue is delivered by store {}, and this is store {}",
                        view_->delivery_id->short_string(), view.delivery_id.short_string()));
  }
  for (const Lane lane : kLanes) {
    const LaneProgress& at = view.progress[lane];
    const LedgerRow sum = total_of(view.ledger, lane);
    const std::uint64_t accounted = at.acknowledged + at.dead + at.skipped + at.gap;
    if (accounted != at.position + at.completed_count()) {
      problem(fmt::format("lane {}: {} events are accounted for, and {} numbers are passed",
                          name_of(lane), accounted, at.position + at.completed_count()));
    }
    if (sum.acknowledged != at.acknowledged || sum.dead != at.dead || sum.skipped != at.skipped ||
        sum.gap != at.gap) {
      problem(fmt::format("lane {}: the delivery store's ledger and its positions differ",
                          name_of(lane)));
    }
    const auto durable = reader_ ? patiently<Seq>([&] { return reader_->durable(lane); })
                                 : Result<Seq>(fail(ErrorKind::kNotFound, ""));
    if (durable && at.position > *durable) {
      problem(fmt::format("lane {} is delivered up to {}, and the queue ends at {}", name_of(lane),
                          at.position, *durable));
    }
    if (view_ && at.position + 1 < view_->floor[lane]) {
      problem(fmt::format("lane {} is delivered up to {}, and the queue keeps nothing before {}",
                          name_of(lane), at.position, view_->floor[lane]));
    }
  }
}

void Verifier::check_delivery_rows() {
  const InstancePaths& paths = options_.paths;
  auto opened = patiently<std::unique_ptr<Database>>([&] {
    return Database::open_secondary(paths.delivery_db(), options_.scratch / "delivery-rows",
                                    delivery_families());
  });
  if (!opened) return problem(opened.error().message);
  Database& database = **opened;
  const auto each = [&](std::string_view family, auto check) {
    if (!database.has_family(family)) return;
    const std::unique_ptr<rocksdb::Iterator> it(
        database.db().NewIterator(scan_options(), database.family(family)));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const auto checked = check(std::string_view(it->key().data(), it->key().size()),
                                 std::string_view(it->value().data(), it->value().size()));
      if (!checked) problem(checked.error().message);
    }
    if (!it->status().ok()) {
      problem(database_error("read the database", database.path(), it->status()).message);
    }
  };
  each(kAnswersFamily, [](std::string_view key, std::string_view value) -> Result<void> {
    ByteReader reader(key);
    const auto lane = static_cast<Lane>(reader.big<std::uint8_t>());
    if (static_cast<std::size_t>(lane) >= kLaneCount) {
      return fail(ErrorKind::kCorrupt, "the delivery store has answers of an unknown lane");
    }
    SLUICE_TRY(decode_answer(lane, key, value));
    return {};
  });
  each(kDeadFamily, [](std::string_view key, std::string_view value) -> Result<void> {
    SLUICE_ASSIGN(const auto known, decode_record_key(key, ""));
    SLUICE_ASSIGN(const DeadLetter letter, decode_dead_letter(value));
    if (letter.key() == known.record) return {};
    return fail(ErrorKind::kCorrupt, "the delivery store has a dead letter under another's key");
  });
  if (const auto epochs = read_epochs(database); !epochs) problem(epochs.error().message);
  check_jobs(&database);
  check_letters(&database);
  check_tables(&database, false);
}

void Verifier::check_jobs(Database* database) {
  const auto jobs = patiently<std::vector<ReplayJob>>([&] {
    // Its own failure shows in what is read.
    (void)database->db().TryCatchUpWithPrimary();
    return read_jobs(*database);
  });
  if (!jobs && jobs.error().kind == ErrorKind::kBusy) {
    return problem(fmt::format("{} has one half of a replay job without the other",
                               database->path().string()));
  }
  if (!jobs) return problem(jobs.error().message);
  for (const ReplayJob& job : *jobs) {
    if (const auto checked = check_progress(job); !checked) problem(checked.error().message);
  }
}

// Each event that is counted as dead has its letter, and each letter that is to be sent again is
// there. More letters than are counted may be left by an older program, which did not write down
// that the queue had lost some of their numbers.
void Verifier::check_letters(Database* database) {
  const auto checked = patiently<void>([&]() -> Result<void> {
    // Its own failure shows in what is read.
    (void)database->db().TryCatchUpWithPrimary();
    std::set<RecordKey> letters;
    SLUICE_TRY(visit_dead_letters(*database, [&](const DeadLetter& letter, std::size_t) {
      letters.insert(letter.key());
      return true;
    }));
    auto counted = letters;
    SLUICE_ASSIGN(const auto interventions, read_interventions(*database));
    for (const Intervention& one : interventions) {
      if (one.kind == InterventionKind::kRequeueAsked && !letters.contains(one.record)) {
        return fail(ErrorKind::kBusy,
                    fmt::format("lane {}: dead letter {} is to be sent again, and is not there",
                                name_of(one.record.lane), one.record.seq));
      }
      if (one.is_voided) counted.erase(one.record);
    }
    for (const Lane lane : kLanes) {
      SLUICE_ASSIGN(const auto newest, database->newest(kLanesFamily, lane_prefix(lane)));
      if (!newest) continue;
      SLUICE_ASSIGN(const LaneRow row, decode_lane_row(newest->value));
      const auto count = static_cast<std::uint64_t>(std::ranges::count_if(
          counted, [lane](const RecordKey& record) { return record.lane == lane; }));
      if (count < row.progress.dead) {
        return fail(ErrorKind::kBusy, fmt::format("lane {}: {} events are dead, and there are {} "
                                                  "dead letters",
                                                  name_of(lane), row.progress.dead, count));
      }
    }
    return {};
  });
  if (!checked) problem(checked.error().message);
}

void Verifier::check_pages() {
  const InstancePaths& paths = options_.paths;
  PageReader fetcher(paths.fetcher_page(), PageRole::kFetcher);
  const auto fetcher_payload = fetcher.read();
  if (report_.queue_found && !fetcher_payload) {
    report_.notes.push_back(fmt::format(
        "{} is not valid, as after a power cut: sluice-fetcher writes it anew when it starts",
        paths.fetcher_page().string()));
  }
  PageReader shipper(paths.shipper_page(), PageRole::kShipper);
  const auto shipper_payload = shipper.read();
  const auto values = shipper_payload ? decode_shipper_page(*shipper_payload) : std::nullopt;
  if (report_.delivery_found && !values) {
    report_.notes.push_back(fmt::format(
        "{} is not valid, as after a power cut: sluice-shipper writes it anew when it starts",
        paths.shipper_page().string()));
  }
  if (values && view_ && !values->queue_id.is_zero() && values->queue_id != view_->queue_id) {
    problem(fmt::format("{} is of queue {}, and this is queue {}", paths.shipper_page().string(),
                        values->queue_id.short_string(), view_->queue_id.short_string()));
  }
}

void Verifier::report_progress(bool is_last) {
  if (!options_.progress) return;
  const auto now = std::chrono::steady_clock::now();
  if (!is_last && now < next_progress_) return;
  next_progress_ = now + kProgressInterval;
  options_.progress(progress_);
}

}  // namespace

Result<VerifyReport> verify(const VerifyOptions& options) {
  Verifier verifier(options);
  return verifier.run();
}

}  // namespace sluice::queue
