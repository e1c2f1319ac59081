#include "queue/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "queue/block_pool.h"
#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/epoch_rows.h"
#include "queue/format_file.h"
#include "queue/kept_scans.h"
#include "queue/ledger_store.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(5);
constexpr auto kLetGoInterval = std::chrono::seconds(2);
constexpr int kOpenTriesMax = 10;
// Less than what malloc() takes from the kernel anew each time: fresh pages cost more than reading.
constexpr std::size_t kReadaheadBytes = 96U << 10;
// Fewer records than this do not take whole blocks: who keeps them for long would keep much.
constexpr std::uint64_t kRecordsForBlocks = 32;
constexpr std::uint64_t kReserveMax = 1024;

// One opening of the secondary: of one epoch, and never used for another.
struct Session {
  std::unique_ptr<Database> database;
  FetcherPage page;  // as it was when this was opened
  std::vector<EpochRow> epochs;
  PerLane<std::optional<EpochIndex>> index;
  std::filesystem::path scratch;
  KeptScans scans;
  // What had been published when the secondary last caught up: up to there it need not do so again.
  PerLane<std::atomic<Seq>> visible;

  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    scans.clear();
    database.reset();
    std::error_code ignored;
    std::filesystem::remove_all(scratch, ignored);
  }
};

std::unexpected<Error> epoch_changed() {
  return fail(ErrorKind::kEpochChanged, "the fetcher has opened the queue anew");
}

Result<void> require_kept(const FetcherPage& published, Lane lane, Seq first) {
  const Seq floor = published.floor[lane];
  if (first >= floor) return {};
  return fail(ErrorKind::kTrimmed,
              fmt::format("record {} of lane {} is no longer in the queue, which was trimmed up to "
                          "{}: ask for {} or later",
                          first, name_of(lane), floor - 1, floor));
}

}  // namespace

std::string_view RecordBatch::keep(std::string_view bytes) {
  if (bytes.size() > room_) {
    const bool pooled = pool_ != nullptr && bytes.size() <= BlockPool::kBlockBytes;
    room_ = pooled ? BlockPool::kBlockBytes : bytes.size();
    blocks_.push_back(pooled ? BlockPool::take(pool_) : BlockPool::allocate(room_));
    free_ = blocks_.back().get();
  }
  char* const place = std::exchange(free_, free_ + bytes.size());
  room_ -= bytes.size();
  std::memcpy(place, bytes.data(), bytes.size());
  return {place, bytes.size()};
}

struct Reader::Impl {
  explicit Impl(ReaderOptions given)
      : options(std::move(given)), page(options.paths.fetcher_page(), PageRole::kFetcher) {}
  ~Impl() {
    session.reset();
    std::error_code ignored;
    std::filesystem::remove_all(options.scratch, ignored);
  }

  Result<FetcherPage> read_page();
  Result<FetcherPage> page_of_database();
  Result<std::unique_ptr<Session>> open_session();
  Result<std::unique_ptr<Session>> open_session_once();
  // The page's values, if they are of the session's epoch. The caller holds `guard`.
  Result<FetcherPage> current_page();
  Result<void> catch_up(const FetcherPage& published);
  // Replaces the session by a fresh one of the same epoch.
  Result<void> renew();
  Result<RecordBatch> read(Lane lane, Seq first, const ReadLimits& limits);
  // Appends the dense run of good records from `first`; stops at anything else and says what it
  // was.
  Result<void> collect(Lane lane, SeqRange range, const ReadLimits& limits, RecordBatch* batch);
  std::unique_ptr<LaneScan> scan_from(Lane lane, SeqRange range);
  Result<Seq> next_readable(Lane lane, Seq from);
  bool is_readable(Lane lane, Seq seq, std::string_view value) const;
  Result<Ledger> ledger();
  Result<std::vector<HistoryRow>> history();
  // A secondary keeps trimmed files until it catches up, so one that reads nothing must do so now
  // and then, or their room is never free.
  Result<void> let_go(const FetcherPage& published);

  ReaderOptions options;
  PageReader page;
  std::shared_mutex guard;  // exclusive: replacing the session
  std::mutex catching_up;
  std::atomic<std::chrono::steady_clock::rep> caught_up_at = 0;
  std::unique_ptr<Session> session;
  std::uint64_t sessions_opened = 0;
  std::optional<FetcherPage> assumed_page;  // with options.without_page
  const std::shared_ptr<BlockPool> pool = std::make_shared<BlockPool>();
};

// What the page would say, from the database.
Result<FetcherPage> Reader::Impl::page_of_database() {
  const std::filesystem::path scratch = options.scratch / "page";
  SLUICE_ASSIGN(const auto database, Database::open_secondary(options.paths.queue_db(), scratch,
                                                              queue_reader_families()));
  SLUICE_ASSIGN(const auto id, database->get(kDefaultFamily, kQueueIdKey));
  SLUICE_ASSIGN(const auto rows, read_epochs(*database));
  if (!id || rows.empty()) return fail(ErrorKind::kNotFound, "the queue was never begun");
  FetcherPage values;
  values.queue_id = id_from_bytes(*id);
  values.epoch = rows.back().epoch;
  SLUICE_ASSIGN(const auto floor_row, database->newest(kDefaultFamily, kFloorPrefix));
  const auto floor = floor_row ? decode_lane_numbers(floor_row->value) : std::nullopt;
  for (const Lane lane : kLanes) {
    values.floor[lane] = floor ? (*floor)[lane] : 1;
    values.durable[lane] = values.floor[lane] - 1;
    const std::unique_ptr<rocksdb::Iterator> it(
        database->db().NewIterator(scan_options(), database->family(name_of(lane))));
    it->SeekToLast();
    if (!it->status().ok()) {
      return fail(database_error("read the database", database->path(), it->status()));
    }
    if (!it->Valid()) continue;
    ByteReader key({it->key().data(), it->key().size()});
    values.durable[lane] = std::max(values.durable[lane], key.big<Seq>());
  }
  return values;
}

Result<FetcherPage> Reader::Impl::read_page() {
  if (options.without_page) {
    if (!assumed_page) {
      SLUICE_ASSIGN(assumed_page, page_of_database());
    }
    return *assumed_page;
  }
  if (const auto payload = page.read()) {
    if (auto values = decode_fetcher_page(*payload)) return std::move(*values);
  }
  const auto format = check_format(options.paths.queue(), kQueueFormat);
  if (!format) {
    if (format.error().kind != ErrorKind::kNotFound) return fail(format.error());
    return fail(ErrorKind::kNotFound,
                fmt::format("there is no queue at {} yet: start sluice-fetcher",
                            options.paths.queue().string()));
  }
  return fail(ErrorKind::kBusy,
              fmt::format("{} does not say how far the queue is durable: start sluice-fetcher, "
                          "which writes it",
                          options.paths.fetcher_page().string()));
}

Result<std::unique_ptr<Session>> Reader::Impl::open_session_once() {
  SLUICE_ASSIGN(const int version, check_format(options.paths.queue(), kQueueFormat));
  auto fresh = std::make_unique<Session>();
  SLUICE_ASSIGN(fresh->page, read_page());
  // Two sessions live at once while one replaces the other, and their logs must not mix.
  fresh->scratch = options.scratch / std::to_string(++sessions_opened);
  SLUICE_ASSIGN(fresh->database, Database::open_secondary(options.paths.queue_db(), fresh->scratch,
                                                          queue_reader_families()));
  for (const ColumnFamilySpec& family : queue_reader_families(version)) {
    if (!fresh->database->has_family(family.name)) {
      return fail(ErrorKind::kBusy, "the queue is just being made");
    }
  }
  SLUICE_ASSIGN(const auto id, fresh->database->get(kDefaultFamily, kQueueIdKey));
  SLUICE_ASSIGN(fresh->epochs, read_epochs(*fresh->database));
  const bool whole = id && !fresh->epochs.empty();
  if (whole && id_from_bytes(*id) != fresh->page.queue_id) {
    return fail(
        ErrorKind::kIdentity,
        fmt::format("{} belongs to queue {}, and the database beside it is queue {}: the "
                    "folder was put together from two; restore it whole from a backup",
                    options.paths.fetcher_page().string(), fresh->page.queue_id.short_string(),
                    id_from_bytes(*id).short_string()));
  }
  if (!whole || fresh->epochs.back().epoch != fresh->page.epoch) {
    return fail(ErrorKind::kBusy,
                fmt::format("the queue at {} is being opened by its fetcher, or was left by one "
                            "that died while opening it: start sluice-fetcher",
                            options.paths.queue().string()));
  }
  for (const Lane lane : kLanes) fresh->index[lane].emplace(fresh->epochs, lane);
  return fresh;
}

Result<std::unique_ptr<Session>> Reader::Impl::open_session() {
  for (int i = 1;; ++i) {
    auto opened = open_session_once();
    if (opened) return opened;
    const ErrorKind kind = opened.error().kind;
    // Real damage stays, what only looks like it while the primary switches files does not.
    const bool may_pass = kind == ErrorKind::kBusy || kind == ErrorKind::kCorrupt;
    if (!may_pass || i == kOpenTriesMax) return opened;
    std::this_thread::sleep_for(kRetryPause * i);
  }
}

Result<FetcherPage> Reader::Impl::current_page() {
  SLUICE_ASSIGN(FetcherPage values, read_page());
  if (values.queue_id != session->page.queue_id || values.epoch != session->page.epoch) {
    return epoch_changed();
  }
  return values;
}

Result<void> Reader::Impl::catch_up(const FetcherPage& published) {
  const std::lock_guard lock(catching_up);
  const rocksdb::Status status = session->database->db().TryCatchUpWithPrimary();
  if (!status.ok()) {
    return fail(database_error("follow the database", session->database->path(), status));
  }
  for (const Lane lane : kLanes) session->visible[lane] = published.durable[lane];
  caught_up_at = std::chrono::steady_clock::now().time_since_epoch().count();
  return {};
}

Result<void> Reader::Impl::let_go(const FetcherPage& published) {
  session->scans.drop_old();
  const std::chrono::steady_clock::duration last(caught_up_at.load());
  if (std::chrono::steady_clock::now().time_since_epoch() - last < kLetGoInterval) return {};
  return catch_up(published);
}

Result<std::vector<HistoryRow>> Reader::Impl::history() {
  const std::shared_lock shared(guard);
  SLUICE_ASSIGN(const FetcherPage values, current_page());
  SLUICE_TRY(catch_up(values));
  return read_history(*session->database);
}

Result<void> Reader::Impl::renew() {
  const std::unique_lock exclusive(guard);
  SLUICE_ASSIGN(auto fresh, open_session());
  // Another epoch must reach the caller, who has positions to reconcile.
  if (fresh->page.epoch != session->page.epoch) return epoch_changed();
  session = std::move(fresh);
  return {};
}

Result<void> Reader::Impl::collect(Lane lane, SeqRange range, const ReadLimits& limits,
                                   RecordBatch* batch) {
  count_nothing();
  auto scan = scan_from(lane, range);
  range.last = std::min(range.last, scan->last());
  if (range.count() > limits.records_max) range.last = range.first + limits.records_max - 1;
  if (range.count() >= kRecordsForBlocks) batch->pool_ = pool;
  batch->records_.reserve(std::min<std::uint64_t>(range.count(), kReserveMax));
  rocksdb::Iterator& it = scan->it();
  Seq expected = range.first;
  for (; it.Valid() && expected <= range.last; it.Next(), ++expected) {
    if (it.key() != rocksdb::Slice(record_key(expected))) {
      return fail(ErrorKind::kHole, fmt::format("record {} of lane {} is not there, but later ones "
                                                "are",
                                                expected, name_of(lane)));
    }
    const std::string_view kept = batch->keep({it.value().data(), it.value().size()});
    SLUICE_ASSIGN(const RecordView record, decode_record(lane, expected, kept));
    // A record of another epoch is the remains of a write that failed, seen through a view that is
    // too old.
    if (session->index[lane]->epoch_of(expected) != record.epoch) {
      return fail(ErrorKind::kHole, fmt::format("record {} of lane {} is of epoch {}, which is not "
                                                "the one that owns this number",
                                                expected, name_of(lane), record.epoch));
    }
    const bool full =
        !batch->records_.empty() && batch->bytes_ + record.body.size() > limits.bytes_max;
    if (full) break;
    batch->records_.push_back({expected, record});
    batch->bytes_ += record.body.size();
  }
  if (!it.status().ok()) {
    return fail(database_error("read the database", session->database->path(), it.status()));
  }
  if (!it.Valid() && expected <= range.last) {
    return fail(ErrorKind::kHole,
                fmt::format("record {} of lane {} is not there, although it is durable", expected,
                            name_of(lane)));
  }
  if (it.Valid()) session->scans.keep(std::move(scan), expected);
  return {};
}

// A scan that stands at the first of the range, and goes at least as far as to one record.
std::unique_ptr<LaneScan> Reader::Impl::scan_from(Lane lane, SeqRange range) {
  if (auto kept = session->scans.take(lane, range.first)) return kept;
  rocksdb::ReadOptions scan_all = scan_options();
  if (range.count() >= kRecordsForBlocks) scan_all.readahead_size = kReadaheadBytes;
  return std::make_unique<LaneScan>(session->database.get(), lane, range, scan_all);
}

// A catch-up that falls between the primary's flush and its removal of the log misses records and
// reports success; the next one has them. So anything that is not right is tried again before it is
// believed.
Result<RecordBatch> Reader::Impl::read(Lane lane, Seq first, const ReadLimits& limits) {
  const auto give_up_at = std::chrono::steady_clock::now() + options.hole_patience;
  bool renewed = false;
  for (;;) {
    std::optional<Error> problem;
    {
      const std::shared_lock shared(guard);
      SLUICE_ASSIGN(const FetcherPage values, current_page());
      RecordBatch batch;
      SLUICE_TRY(require_kept(values, lane, first));
      if (first > values.durable[lane]) {
        SLUICE_TRY(let_go(values));
        return batch;
      }
      if (first > session->visible[lane]) {
        if (const auto caught_up = catch_up(values); !caught_up) problem = caught_up.error();
      }
      const auto collected = collect(lane, {first, values.durable[lane]}, limits, &batch);
      // What was read while the epoch changed may be of a write that failed.
      SLUICE_ASSIGN(const FetcherPage after, current_page());
      if (collected || !batch.empty()) return batch;
      SLUICE_TRY(require_kept(after, lane, first));
      if (!problem) problem = collected.error();
      session->visible[lane] = first - 1;
    }
    if (std::chrono::steady_clock::now() >= give_up_at) {
      if (renewed) return fail(std::move(*problem));
      SLUICE_TRY(renew());
      renewed = true;
      continue;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool Reader::Impl::is_readable(Lane lane, Seq seq, std::string_view value) const {
  const auto record = decode_record(lane, seq, value);
  return record && session->index[lane]->epoch_of(seq) == record->epoch;
}

// A damaged block gives an error for each of its keys, so the next one is tried until one is in
// another block.
Result<Seq> Reader::Impl::next_readable(Lane lane, Seq from) {
  const std::shared_lock shared(guard);
  SLUICE_ASSIGN(const FetcherPage values, current_page());
  const Seq end = values.durable[lane] + 1;
  const std::string upper = record_key(end);
  const rocksdb::Slice upper_bound(upper);
  rocksdb::ReadOptions read_options = scan_options();
  read_options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> it(
      session->database->db().NewIterator(read_options, session->database->family(name_of(lane))));
  for (Seq seq = from; seq < end; ++seq) {
    it->Seek(record_key(seq));
    if (!it->Valid() && it->status().ok()) return end;
    if (!it->Valid()) continue;
    ByteReader key({it->key().data(), it->key().size()});
    seq = key.big<Seq>();
    if (is_readable(lane, seq, {it->value().data(), it->value().size()})) return seq;
  }
  return end;
}

Result<Ledger> Reader::Impl::ledger() {
  const std::shared_lock shared(guard);
  const auto give_up_at = std::chrono::steady_clock::now() + options.hole_patience;
  for (;;) {
    SLUICE_ASSIGN(const FetcherPage values, current_page());
    SLUICE_TRY(catch_up(values));
    SLUICE_ASSIGN(Ledger rows, read_ledger(*session->database));
    const bool whole = std::all_of(kLanes.begin(), kLanes.end(), [&](Lane lane) {
      return total_of(rows, lane).queued >= values.durable[lane];
    });
    if (whole || std::chrono::steady_clock::now() >= give_up_at) return rows;
    std::this_thread::sleep_for(kRetryPause);
  }
}

Result<std::unique_ptr<Reader>> Reader::open(const ReaderOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  std::error_code ignored;
  std::filesystem::remove_all(options.scratch, ignored);  // what a reader that was killed left
  SLUICE_TRY(impl->read_page());
  SLUICE_ASSIGN(impl->session, impl->open_session());
  return std::unique_ptr<Reader>(new Reader(std::move(impl)));
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

Result<RecordBatch> Reader::read(Lane lane, Seq first, const ReadLimits& limits) {
  return impl_->read(lane, first, limits);
}

Result<Seq> Reader::next_readable(Lane lane, Seq from) { return impl_->next_readable(lane, from); }

Result<void> Reader::reopen() {
  const std::unique_lock exclusive(impl_->guard);
  SLUICE_ASSIGN(auto fresh, impl_->open_session());
  impl_->session = std::move(fresh);
  return {};
}

Result<QueueView> Reader::view() const {
  const std::shared_lock shared(impl_->guard);
  SLUICE_ASSIGN(const FetcherPage values, impl_->current_page());
  SLUICE_TRY(impl_->catch_up(values));
  Database& database = *impl_->session->database;
  QueueView view;
  view.queue_id = values.queue_id;
  view.epochs = impl_->session->epochs;
  view.boot_id = values.boot_id;
  view.durable = values.durable;
  view.floor = values.floor;
  SLUICE_ASSIGN(const auto machine_id, database.newest(kDefaultFamily, kMachineIdPrefix));
  if (machine_id) view.machine_id = machine_id->value;
  SLUICE_ASSIGN(const auto cluster, database.get(kDefaultFamily, kClusterKey));
  view.cluster = cluster.value_or("");
  SLUICE_ASSIGN(const auto delivery_id, database.get(kDefaultFamily, kDeliveryIdKey));
  if (delivery_id) view.delivery_id = id_from_bytes(*delivery_id);
  SLUICE_ASSIGN(view.read_up_to, find_read_up_to(&database));
  return view;
}

Epoch Reader::epoch() const {
  const std::shared_lock shared(impl_->guard);
  return impl_->session->page.epoch;
}

Result<Seq> Reader::durable(Lane lane) const {
  const std::shared_lock shared(impl_->guard);
  SLUICE_ASSIGN(const FetcherPage values, impl_->current_page());
  return values.durable[lane];
}

Result<void> Reader::let_go() {
  const std::shared_lock shared(impl_->guard);
  SLUICE_ASSIGN(const FetcherPage values, impl_->current_page());
  return impl_->let_go(values);
}

Result<Ledger> Reader::ledger() const { return impl_->ledger(); }

Result<std::vector<HistoryRow>> Reader::history() const { return impl_->history(); }

std::uint32_t Reader::doorbell() const { return impl_->page.doorbell(); }

bool Reader::wait(std::uint32_t seen, std::chrono::milliseconds timeout) const {
  return impl_->page.wait(seen, timeout);
}

}  // namespace sluice::queue
