#include "queue/delivery_store.h"

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <thread>
#include <tuple>

#include "common/check.h"
#include "queue/answer_rows.h"
#include "queue/damage_advice.h"
#include "queue/delivery_store_impl.h"
#include "queue/disk_limits.h"
#include "queue/epoch_rows.h"
#include "queue/format_file.h"
#include "queue/journal.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {

constexpr unsigned kDeliveryDirectoryMode = 0700;
constexpr unsigned kShipperDirectoryMode = 02750;

// How many numbers below the position keep their answers, so that a loss in the queue can be taken
// back exactly. The queue's log, which is what can be lost, holds at most 256 MiB: about this many
// events of 256 bytes.
constexpr Seq kAnswersKept = 1U << 20;
constexpr Seq kPruneEvery = 1U << 16;

// How long a floor must stay before it is believed to be more than an intention.
constexpr int kFloorLooksMax = 5;
constexpr std::chrono::milliseconds kFloorPause{20};

// Puts `range` into the ascending disjoint ranges, joining neighbours. False if any number is there
// already.
bool insert_range(std::vector<SeqRange>* ranges, SeqRange range) {
  const auto next = std::lower_bound(ranges->begin(), ranges->end(), range);
  if (next != ranges->end() && next->first <= range.last) return false;
  if (next != ranges->begin() && std::prev(next)->last >= range.first) return false;
  auto at = ranges->insert(next, range);
  if (const auto after = std::next(at); after != ranges->end() && after->first == at->last + 1) {
    at->last = after->last;
    at = std::prev(ranges->erase(after));
  }
  if (at != ranges->begin() && std::prev(at)->last + 1 == at->first) {
    std::prev(at)->last = at->last;
    ranges->erase(at);
  }
  return true;
}

// Moves the position over the completed range that begins right behind it, if there is one.
void advance(LaneProgress* progress) {
  if (progress->completed.empty() || progress->completed.front().first != progress->position + 1) {
    return;
  }
  progress->position = progress->completed.front().last;
  progress->completed.erase(progress->completed.begin());
}

constexpr std::uint64_t kBallastMin = 256U << 10;
constexpr std::chrono::milliseconds kBallastInterval{10'000};
// A store's rows are small: its logs need no more, and its ballast is as large as they are.
constexpr std::uint64_t kLogBytesMax = 8U << 20;

}  // namespace

std::string claimed_name(const Actor& actor) {
  return actor.claimed.empty() ? "" : fmt::format(" ({}, as that user says)", actor.claimed);
}

std::unexpected<Error> must_reopen() {
  return fail(ErrorKind::kIo, "the delivery store must be opened anew after a failed write");
}

std::uint64_t LaneProgress::completed_count() const {
  std::uint64_t count = 0;
  for (const SeqRange& range : completed) count += range.count();
  return count;
}

LedgerRow& Completion::row_for(const StoredRecord& record) {
  const auto holds_next = [&](const Range& range) { return range.numbers.last + 1 == record.seq; };
  auto range = std::find_if(ranges_.rbegin(), ranges_.rend(), holds_next);
  if (range == ranges_.rend()) {
    ranges_.push_back({{record.seq, record.seq}, {}});
    range = ranges_.rbegin();
  }
  range->numbers.last = record.seq;
  return range->delta[{day_of(record.record.time), lane_}];
}

void Completion::acknowledge(const StoredRecord& record) {
  LedgerRow& row = row_for(record);
  ++row.acknowledged;
  row.acknowledged_ids.add_id(record.record.id);
}

void Completion::set_aside(const StoredRecord& record, DeadLetter letter) {
  LedgerRow& row = row_for(record);
  ++row.dead;
  row.set_aside_ids.add_id(record.record.id);
  letters_.push_back(std::move(letter));
}

void Completion::skip(const StoredRecord& record) {
  LedgerRow& row = row_for(record);
  ++row.skipped;
  row.set_aside_ids.add_id(record.record.id);
}

void Completion::pass_gap(const StoredRecord& record) {
  LedgerRow& row = row_for(record);
  ++row.gap;
  row.set_aside_ids.add_id(record.record.id);
}

Result<void> DeliveryStore::Impl::open() {
  SLUICE_TRY(prepare());
  SLUICE_ASSIGN(PageWriter opened,
                PageWriter::open(options.paths.shipper_page(), PageRole::kShipper));
  page.emplace(std::move(opened));
  SLUICE_TRY(require_room());
  SLUICE_ASSIGN(database, Database::open_primary(options.paths.delivery_db(), delivery_families(),
                                                 options.env, {.log_bytes_max = kLogBytesMax}));
  return load();
}

Result<void> DeliveryStore::Impl::require_room() {
  SLUICE_ASSIGN(const DiskSpace space, file_system_space(options.paths.sink()));
  ballast_bytes = std::clamp(space.size / 64, kBallastMin, kLogBytesMax);
  ballast.emplace(options.paths.delivery_ballast(), ballast_bytes);
  SLUICE_TRY(require_room_to_open(options.paths.delivery_db(), &*ballast));
  ballast->make(ballast_bytes);
  return {};
}

Result<void> DeliveryStore::Impl::prepare() {
  const InstancePaths& paths = options.paths;
  if (const auto format = check_format_for_writing(paths.sink(), kDeliveryFormat);
      !format && format.error().kind == ErrorKind::kFormat) {
    return format;
  }
  SLUICE_TRY(prepare_directory(paths.delivery(), kDeliveryDirectoryMode));
  SLUICE_TRY(prepare_directory(paths.sink(), kDeliveryDirectoryMode));
  SLUICE_TRY(prepare_directory(paths.shipper(), kShipperDirectoryMode));
  SLUICE_ASSIGN(FileLock taken, FileLock::take(paths.delivery_lock(), "the delivery store"));
  lock.emplace(std::move(taken));
  const auto format = check_format_for_writing(paths.sink(), kDeliveryFormat);
  if (!format && format.error().kind != ErrorKind::kNotFound) return format;
  if (!std::filesystem::exists(paths.delivery_db() / "CURRENT")) SLUICE_TRY(refuse_to_replace());
  if (format) return {};
  if (std::filesystem::exists(paths.delivery_db())) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} holds a database but no FORMAT file: this is not a whole delivery "
                            "store; nothing was changed, restore the folder from a backup",
                            paths.sink().string()));
  }
  return write_format(paths.sink(), kDeliveryFormat);
}

// There is no database. If the page knows a store there was one, and without it nobody knows what
// was delivered.
Result<void> DeliveryStore::Impl::refuse_to_replace() const {
  const InstancePaths& paths = options.paths;
  PageReader old(paths.shipper_page(), PageRole::kShipper);
  const auto payload = old.read();
  const auto values = payload ? decode_shipper_page(*payload) : std::nullopt;
  if (!values || values->delivery_id.is_zero()) return {};
  return fail(ErrorKind::kIdentity,
              fmt::format("{} is missing, but {} says that delivery store {} has been in use here: "
                          "restore it from a backup; without it nobody knows what was delivered, "
                          "and \"queuectl adopt\" decides from where to go on",
                          paths.delivery_db().string(), paths.shipper_page().string(),
                          values->delivery_id.short_string()));
}

Result<void> DeliveryStore::Impl::load() {
  SLUICE_ASSIGN(const auto stored_id, database->get(kDefaultFamily, kStoreIdKey));
  if (!stored_id) return initialise();
  id = id_from_bytes(*stored_id);
  SLUICE_TRY(refuse_retired(*database, options.paths.sink()));
  SLUICE_ASSIGN(const auto bound, database->newest(kDefaultFamily, kBindingPrefix));
  if (bound) {
    SLUICE_ASSIGN(binding, decode_binding(bound->value));
    binding_version = bound->version;
    version = std::max(version, bound->version);
  }
  SLUICE_ASSIGN(epochs, read_epochs(*database));
  SLUICE_ASSIGN(ledger, LedgerStore::load(*database));
  version = std::max(version, ledger.newest_version());
  SLUICE_ASSIGN(const std::uint64_t journal_version, newest_journal_version(*database));
  version = std::max(version, journal_version);
  SLUICE_ASSIGN(jobs, JobRows::load(*database));
  version = std::max(version, jobs.newest_version());
  SLUICE_ASSIGN(letters, DeadLetterRows::load(*database));
  for (const Lane lane : kLanes) {
    SLUICE_TRY(load_lane(lane));
    SLUICE_TRY(check_ledger(lane));
  }
  return {};
}

// A list of files that was cut short can leave one part of the database older than another, without
// any wrong checksum. Then the counts would never add up again.
Result<void> DeliveryStore::Impl::check_ledger(Lane lane) const {
  const LedgerRow counted = total_of(ledger.rows(), lane);
  const LaneProgress& at = progress[lane];
  if (counted.acknowledged == at.acknowledged && counted.dead == at.dead &&
      counted.skipped == at.skipped && counted.gap == at.gap) {
    return {};
  }
  return fail(
      ErrorKind::kCorrupt,
      fmt::format("the delivery store at {} is damaged: lane {} has {} acknowledged, {} dead, {} "
                  "skipped and {} lost numbers, but its ledger counts {}, {}, {} and {}",
                  options.paths.sink().string(), name_of(lane), at.acknowledged, at.dead,
                  at.skipped, at.gap, counted.acknowledged, counted.dead, counted.skipped,
                  counted.gap));
}

Result<void> DeliveryStore::Impl::load_lane(Lane lane) {
  SLUICE_ASSIGN(const auto newest, database->newest(kLanesFamily, lane_prefix(lane)));
  if (!newest) return {};
  SLUICE_ASSIGN(const LaneRow row, decode_lane_row(newest->value));
  progress[lane] = row.progress;
  lane_version[lane] = newest->version;
  version = std::max(version, newest->version);
  SLUICE_ASSIGN(progress[lane].completed, completed_beyond(*database, lane, row.progress.position));
  if (progress[lane].completed_count() != row.completed_count) {
    return fail(
        ErrorKind::kCorrupt,
        fmt::format("the delivery store at {} is damaged: lane {} has {} numbers beyond its "
                    "position and should have {}",
                    options.paths.sink().string(), name_of(lane), progress[lane].completed_count(),
                    row.completed_count));
  }
  return {};
}

Result<void> DeliveryStore::Impl::initialise() {
  SLUICE_TRY(refuse_to_replace());
  id = Id128::random();
  rocksdb::WriteBatch batch;
  batch.Put(rocksdb::Slice(kStoreIdKey), id_bytes(id));
  return write(&batch);
}

std::string DeliveryStore::Impl::describe() const {
  return fmt::format("the delivery store {} at {}", id.short_string(),
                     options.paths.sink().string());
}

Result<void> DeliveryStore::Impl::check_binding(const QueueView& queue) const {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorKind::kIdentity,
                fmt::format("{} {}; nothing was sent or changed: restore queue and delivery store "
                            "together, from one backup, or pair them with \"queuectl adopt\"",
                            describe(), why));
  };
  if (binding.queue_id.is_zero()) {
    if (queue.delivery_id && *queue.delivery_id != id) {
      return refuse(
          fmt::format("is new, but queue {} has been delivered by store {}, which is "
                      "missing",
                      queue.queue_id.short_string(), queue.delivery_id->short_string()));
    }
    return {};
  }
  if (binding.queue_id != queue.queue_id) {
    return refuse(fmt::format("belongs to queue {}, and this is queue {}",
                              binding.queue_id.short_string(), queue.queue_id.short_string()));
  }
  if (!binding.cluster.empty() && !queue.cluster.empty() && binding.cluster != queue.cluster) {
    return refuse(fmt::format("holds positions of cluster {}, and the queue is of cluster {}",
                              binding.cluster, queue.cluster));
  }
  const std::string& here = options.machine.machine_id;
  if (!binding.machine_id.empty() && !here.empty() && binding.machine_id != here) {
    return refuse(fmt::format("was made on another machine (machine-id {}, this one is {})",
                              binding.machine_id, here));
  }
  return {};
}

Result<void> DeliveryStore::Impl::check_positions(const QueueView& queue) const {
  for (const Lane lane : kLanes) {
    const LaneProgress& at = progress[lane];
    const Seq highest = at.completed.empty() ? at.position : at.completed.back().last;
    if (highest > queue.durable[lane] && queue.boot_id != options.machine.boot_id) {
      return fail(
          ErrorKind::kBusy,
          fmt::format("the queue has not been opened since this machine was started, and what "
                      "it published before ({} in lane {}) is older than what was delivered "
                      "({}): waiting for sluice-fetcher",
                      queue.durable[lane], name_of(lane), highest));
    }
    if (highest > queue.durable[lane]) {
      return fail(ErrorKind::kIdentity,
                  fmt::format("{} has delivered lane {} up to {}, but the queue ends at {}: queue "
                              "and delivery store do not belong together; restore both from one "
                              "backup, or pair them with \"queuectl adopt\"",
                              describe(), name_of(lane), highest, queue.durable[lane]));
    }
    if (at.position + 1 < queue.floor[lane]) {
      return fail(
          ErrorKind::kIdentity,
          fmt::format("{} has delivered lane {} up to {}, but the queue keeps nothing before "
                      "{}: the store is older than the queue; restore both from one backup, or "
                      "pair them with \"queuectl adopt\"",
                      describe(), name_of(lane), at.position, queue.floor[lane]));
    }
  }
  return {};
}

// The idea is that of Kafka's leader epochs (KIP-101): the histories agree up to where the first
// epoch begins that they do not share.
Result<Seq> DeliveryStore::Impl::divergence(const QueueView& queue, Lane lane) const {
  auto shared = queue.epochs.rend();
  for (auto row = queue.epochs.rbegin(); row != queue.epochs.rend(); ++row) {
    const bool known = std::any_of(epochs.begin(), epochs.end(),
                                   [&](const EpochRow& ours) { return ours.epoch == row->epoch; });
    if (known) {
      shared = row;
      break;
    }
  }
  if (shared == queue.epochs.rend()) {
    return fail(ErrorKind::kIdentity,
                fmt::format("{} and the queue share no epoch: they do not belong together; restore "
                            "both from one backup, or pair them with \"queuectl adopt\"",
                            describe()));
  }
  Seq from = std::numeric_limits<Seq>::max();
  for (auto row = queue.epochs.rbegin(); row != shared; ++row) {
    from = std::min(from, row->first[lane]);
  }
  return from;
}

void DeliveryStore::Impl::put_journal(std::string_view line, rocksdb::WriteBatch* batch) {
  put_journal_line(*database, version, clock.now(), line, batch);
}

void DeliveryStore::Impl::put_lane(Lane lane, rocksdb::WriteBatch* batch) {
  auto* family = database->family(kLanesFamily);
  LaneRow row;
  row.queue_id = binding.queue_id;
  if (!epochs.empty()) row.epoch = epochs.back().epoch;
  row.completed_count = progress[lane].completed_count();
  row.progress = progress[lane];
  const auto key = [&](std::uint64_t row_version) {
    std::string bytes = lane_prefix(lane);
    put_big(&bytes, row_version);
    return bytes;
  };
  if (lane_version[lane] != 0) batch->Delete(family, key(lane_version[lane]));
  batch->Put(family, key(version), encode_lane_row(row));
  lane_version[lane] = version;
}

void DeliveryStore::Impl::take_back(Lane lane, const AnswerRow& answer,
                                    rocksdb::WriteBatch* batch) {
  LaneProgress& at = progress[lane];
  const LedgerRow sum = total_of(answer.delta, lane);
  at.acknowledged -= sum.acknowledged;
  at.dead -= sum.dead;
  at.skipped -= sum.skipped;
  at.gap -= sum.gap;
  at.voided += answer.numbers.count();
  ledger.subtract(*database, answer.delta, version, batch);
  batch->Delete(database->family(kAnswersFamily), answer_key(lane, answer.numbers.first));
}

// A range of answers that reaches across `from` is taken back whole, so its first part is sent
// again: exact counts are worth the duplicates, which are at most what one commit held. Dead
// letters stay, as evidence, and are no longer counted.
Result<std::optional<Rewind>> DeliveryStore::Impl::rewind(Lane lane, Seq from,
                                                          rocksdb::WriteBatch* batch) {
  LaneProgress& at = progress[lane];
  const Seq highest = at.completed.empty() ? at.position : at.completed.back().last;
  if (from > highest) return std::nullopt;
  SLUICE_ASSIGN(const auto answers, answers_from(*database, lane, from));
  std::uint64_t voided = 0;
  Seq first = from;
  for (const AnswerRow& answer : answers) {
    voided += answer.numbers.count();
    first = std::min(first, answer.numbers.first);
  }
  std::uint64_t accounted = at.position >= first ? at.position - first + 1 : 0;
  for (const SeqRange& range : at.completed) {
    if (range.last >= first) accounted += range.last - std::max(range.first, first) + 1;
  }
  if (voided != accounted) {
    return fail(ErrorKind::kIdentity,
                fmt::format("the queue has gone back to number {} of lane {}, farther than {} can "
                            "follow: restore both from one backup, or pair them with \"queuectl "
                            "adopt\"",
                            from, name_of(lane), describe()));
  }
  Rewind change{lane, first, at.position, voided, 0};
  for (const AnswerRow& answer : answers) change.skipped += total_of(answer.delta, lane).skipped;
  for (const AnswerRow& answer : answers) take_back(lane, answer, batch);
  at.position = std::min(at.position, first - 1);
  for (SeqRange& range : at.completed) range.last = std::min(range.last, first - 1);
  std::erase_if(at.completed, [](const SeqRange& range) { return range.last < range.first; });
  pruned_to[lane] = std::min(pruned_to[lane], at.position);
  SLUICE_TRY(letters.void_from(*database, lane, first, version, batch));
  put_journal(
      fmt::format("lane {}: position {} set back to {}: the queue lost numbers from {} on "
                  "after they had been delivered, {} are shipped again under the same numbers{}",
                  name_of(lane), change.old_position, at.position, from, voided,
                  change.skipped == 0
                      ? ""
                      : fmt::format(", {} of which had been skipped by hand", change.skipped)),
      batch);
  return change;
}

Result<std::vector<Rewind>> DeliveryStore::Impl::rewind_all(const QueueView& queue,
                                                            rocksdb::WriteBatch* batch) {
  std::vector<Rewind> rewinds;
  // A new store has no history that could differ.
  if (!binding.queue_id.is_zero()) {
    for (const Lane lane : kLanes) {
      SLUICE_ASSIGN(const Seq from, divergence(queue, lane));
      SLUICE_ASSIGN(const auto change, rewind(lane, from, batch));
      if (change) rewinds.push_back(*change);
      cut_replays(lane, batch);
    }
  }
  SLUICE_TRY(check_positions(queue));
  return rewinds;
}

Result<std::vector<Rewind>> DeliveryStore::Impl::reconcile(const QueueView& queue) {
  const std::lock_guard guard(mutex);
  if (dead) return must_reopen();
  SLUICE_TRY(check_binding(queue));
  rocksdb::WriteBatch batch;
  ++version;
  const auto before = std::tuple(progress, ledger, pruned_to, jobs, letters);
  auto rewinds = rewind_all(queue, &batch);
  if (!rewinds) {
    std::tie(progress, ledger, pruned_to, jobs, letters) = before;
    return rewinds;
  }
  binding.queue_id = queue.queue_id;
  if (!queue.cluster.empty()) binding.cluster = queue.cluster;
  if (binding.machine_id.empty()) binding.machine_id = options.machine.machine_id;
  for (const EpochRow& row : epochs) delete_epoch_row(*database, row, &batch);
  for (const EpochRow& row : queue.epochs) put_epoch_row(*database, row, &batch);
  epochs = queue.epochs;
  if (binding_version != 0) batch.Delete(binding_key(binding_version));
  batch.Put(binding_key(version), encode_binding(binding));
  binding_version = version;
  for (const Lane lane : kLanes) put_lane(lane, &batch);
  SLUICE_TRY(write(&batch));
  // Nobody sends anything now, so no answer is under way.
  discarded_in_flight.clear();
  for (const Lane lane : kLanes) {
    skips[lane].clear();
    skipped_numbers[lane].reset();
  }
  publish();
  return rewinds;
}

Result<void> DeliveryStore::Impl::commit(const Completion& completion) {
  const std::lock_guard guard(mutex);
  if (dead) return must_reopen();
  SLUICE_CHECK(!binding.queue_id.is_zero(), "a store is bound to a queue before anything is sent");
  SLUICE_TRY(check_not_skipped(completion));
  const Lane lane = completion.lane();
  rocksdb::WriteBatch batch;
  ++version;
  account(completion, &batch);
  SLUICE_TRY(honour(completion, &batch));
  for (const DeadLetter& letter : completion.letters_) {
    letters.put(*database, letter, version, &batch);
  }
  put_lane(lane, &batch);
  prune(lane, &batch);
  SLUICE_TRY(write(&batch));
  publish();
  return {};
}

void DeliveryStore::Impl::account(const Completion& completion, rocksdb::WriteBatch* batch) {
  const Lane lane = completion.lane();
  LaneProgress& at = progress[lane];
  Ledger delta;
  for (const auto& range : completion.ranges_) {
    const bool fresh =
        range.numbers.first > at.position && insert_range(&at.completed, range.numbers);
    SLUICE_CHECK(fresh, "a number is accounted for once");
    add_to(&delta, range.delta);
    batch->Put(database->family(kAnswersFamily), answer_key(lane, range.numbers.first),
               encode_answer({range.numbers, range.delta}));
  }
  advance(&at);
  const LedgerRow sum = total_of(delta, lane);
  if (sum.acknowledged > 0) at.acknowledged_at_ms = to_unix_ms(clock.now());
  at.acknowledged += sum.acknowledged;
  at.dead += sum.dead;
  at.skipped += sum.skipped;
  at.gap += sum.gap;
  ledger.add(*database, delta, version, batch);
}

void DeliveryStore::Impl::prune(Lane lane, rocksdb::WriteBatch* batch) {
  const Seq position = progress[lane].position;
  if (position < kAnswersKept) return;
  const Seq keep_from = position - kAnswersKept;
  if (keep_from < pruned_to[lane] + kPruneEvery) return;
  batch->DeleteRange(database->family(kAnswersFamily), answer_key(lane, 0),
                     answer_key(lane, keep_from));
  pruned_to[lane] = keep_from;
}

// The order matters: the hold is on our page before we look at the fetcher's, and the fetcher
// publishes the floor that it intends before it looks at our hold. So one of the two sees the
// other. A floor above the hold may be such an intention, which the fetcher takes back at once.
Result<Seq> DeliveryStore::Impl::floor_behind_hold(Lane lane) {
  publish();
  std::atomic_thread_fence(std::memory_order_seq_cst);
  PageReader fetcher(options.paths.fetcher_page(), PageRole::kFetcher);
  for (int i = 1;; ++i) {
    const auto payload = fetcher.read();
    const auto values = payload ? decode_fetcher_page(*payload) : std::nullopt;
    if (!values || values->queue_id != binding.queue_id) break;
    const Seq floor = values->floor[lane];
    if (floor <= coming_hold[lane] || i == kFloorLooksMax) return floor;
    std::this_thread::sleep_for(kFloorPause);
  }
  return fail(ErrorKind::kBusy,
              fmt::format("{} does not say which numbers are kept: start sluice-fetcher, which "
                          "writes it",
                          options.paths.fetcher_page().string()));
}

Result<void> DeliveryStore::Impl::cut_to_kept(ReplaySpec* spec, bool allow_partial) {
  SLUICE_ASSIGN(const Seq floor, floor_behind_hold(spec->lane));
  SeqRange& numbers = spec->numbers;
  if (numbers.first >= floor) return {};
  if (numbers.last < floor) {
    return fail(ErrorKind::kTrimmed,
                fmt::format("the numbers {} to {} of lane {} are trimmed: the queue keeps those "
                            "from {} on",
                            numbers.first, numbers.last, name_of(spec->lane), floor));
  }
  if (!allow_partial) {
    return fail(ErrorKind::kTrimmed,
                fmt::format("{} of the numbers {} to {} of lane {} are trimmed: the queue keeps "
                            "those from {} on; give --partial to replay these",
                            floor - numbers.first, numbers.first, numbers.last, name_of(spec->lane),
                            floor));
  }
  spec->trimmed += floor - numbers.first;
  numbers.first = floor;
  return {};
}

Result<ReplayJob> DeliveryStore::Impl::write_new_replay(const ReplaySpec& spec) {
  rocksdb::WriteBatch batch;
  ++version;
  ReplayJob job;
  job.id = jobs.next_id();
  job.spec = spec;
  job.spec.created_at_ms = to_unix_ms(clock.now());
  job.progress.position = spec.numbers.first - 1;
  job.progress.last = spec.numbers.last;
  job.progress.changed_at_ms = job.spec.created_at_ms;
  jobs.add(*database, job, version, &batch);
  const std::string filter = sluice::queue::describe(spec.filter);
  put_journal(fmt::format("replay {} of lane {}, numbers {} to {}{}{}, started by uid {}{}: {}",
                          job.id, name_of(spec.lane), spec.numbers.first, spec.numbers.last,
                          filter.empty() ? "" : ", ", filter, spec.actor.uid,
                          claimed_name(spec.actor), spec.actor.reason),
              &batch);
  SLUICE_TRY(write(&batch));
  return job;
}

Result<ReplayJob> DeliveryStore::Impl::start_replay(ReplaySpec spec, bool allow_partial) {
  const std::lock_guard guard(mutex);
  if (dead) return must_reopen();
  SLUICE_TRY(check_spec(spec));
  if (binding.queue_id.is_zero()) {
    return fail(ErrorKind::kNotFound,
                fmt::format("{} has delivered nothing yet: start sluice-shipper", describe()));
  }
  if (jobs.active_count() >= kReplaysActiveMax) {
    return fail(ErrorKind::kBusy, fmt::format("there are {} replay jobs already: wait for one to "
                                              "end, or cancel one",
                                              kReplaysActiveMax));
  }
  const Seq position = progress[spec.lane].position;
  if (spec.numbers.first > position) {
    return fail(ErrorKind::kUsage,
                fmt::format("lane {} is delivered up to {}: the numbers from {} on come without a "
                            "replay",
                            name_of(spec.lane), position, spec.numbers.first));
  }
  spec.numbers.last = std::min(spec.numbers.last, position);
  coming_hold[spec.lane] = spec.numbers.first;
  const auto kept = cut_to_kept(&spec, allow_partial);
  auto job = kept ? write_new_replay(spec) : Result<ReplayJob>(fail(kept.error()));
  coming_hold[spec.lane] = kNoHold;
  // After a failed write nobody knows whether there is a job, so its hold stays on the page.
  if (!dead) publish();
  return job;
}

Result<ReplayJob> DeliveryStore::Impl::cancel_replay(std::uint64_t job_id, const Actor& actor) {
  const std::lock_guard guard(mutex);
  if (dead) return must_reopen();
  const ReplayJob* job = jobs.find(job_id);
  if (job == nullptr) {
    return fail(ErrorKind::kNotFound, fmt::format("there is no replay job {}", job_id));
  }
  if (!job->is_active()) {
    return fail(ErrorKind::kUsage, fmt::format("replay job {} has ended already: it is {}", job_id,
                                               name_of(job->progress.state)));
  }
  rocksdb::WriteBatch batch;
  ++version;
  ReplayProgress now = job->progress;
  now.state = ReplayState::kCancelled;
  now.remark =
      fmt::format("cancelled by uid {}{}: {}", actor.uid, claimed_name(actor), actor.reason);
  now.changed_at_ms = to_unix_ms(clock.now());
  put_journal(fmt::format("replay {} {}", job_id, now.remark), &batch);
  jobs.set_progress(*database, job_id, std::move(now), version, &batch);
  SLUICE_TRY(write(&batch));
  publish();
  return *jobs.find(job_id);
}

Result<ReplayState> DeliveryStore::Impl::save_replay(std::uint64_t job_id, ReplayProgress now) {
  const std::lock_guard guard(mutex);
  if (dead) return must_reopen();
  const ReplayJob* job = jobs.find(job_id);
  SLUICE_CHECK(job != nullptr, "a job that is at work is known");
  const ReplayProgress& before = job->progress;
  rocksdb::WriteBatch batch;
  ++version;
  now.last = before.last;
  now.changed_at_ms = to_unix_ms(clock.now());
  if (!job->is_active()) {
    now.state = before.state;
    now.remark = before.remark;
  } else if (now.state != ReplayState::kActive) {
    put_journal(fmt::format("replay {} ended as {}: {} events sent, {} refused{}{}", job_id,
                            name_of(now.state), now.sent, now.refused,
                            now.remark.empty() ? "" : "; ", now.remark),
                &batch);
  }
  const ReplayState state = now.state;
  jobs.set_progress(*database, job_id, std::move(now), version, &batch);
  SLUICE_TRY(write(&batch));
  publish();
  return state;
}

// Beyond the position everything comes anyway, so jobs end there when it is set back: by us,
// because the queue has lost numbers and gives them to other events, or by a person who adopted the
// store.
void DeliveryStore::Impl::cut_replays(Lane lane, rocksdb::WriteBatch* batch) {
  const Seq last = progress[lane].position;
  const auto known = jobs.jobs();
  for (const auto& [job_id, job] : known) {
    if (!job.is_active() || job.spec.lane != lane || job.progress.last <= last) continue;
    ReplayProgress now = job.progress;
    now.remark = fmt::format(
        "the position was set back to {}: what has the numbers behind it now "
        "is shipped by the live flow",
        last);
    now.last = last;
    now.position = std::min(now.position, last);
    for (SeqRange& range : now.completed) range.last = std::min(range.last, last);
    std::erase_if(now.completed, [](const SeqRange& range) { return range.last < range.first; });
    put_journal(fmt::format("replay {}: {}", job_id, now.remark), batch);
    jobs.set_progress(*database, job_id, std::move(now), version, batch);
  }
}

Result<void> DeliveryStore::Impl::write(rocksdb::WriteBatch* batch) {
  auto written = database->write(batch);
  if (!written) {
    dead = true;
    // So that the store can be opened again.
    if (written.error().kind == ErrorKind::kNoSpace) ballast->release();
  } else if (clock.monotonic() >= next_ballast) {
    ballast->make(ballast_bytes);
    next_ballast = clock.monotonic() + kBallastInterval;
  }
  return written;
}

void DeliveryStore::Impl::publish() {
  ShipperPage values;
  values.delivery_id = id;
  values.queue_id = binding.queue_id;
  values.boot_id = options.machine.boot_id;
  if (!epochs.empty()) values.epoch = epochs.back().epoch;
  for (const Lane lane : kLanes) {
    values.position[lane] = progress[lane].position;
    values.hold[lane] = std::min(jobs.hold(lane), coming_hold[lane]);
  }
  std::size_t side_flows = std::min(jobs.active_count(), kReplaysAtOnce);
  for (const Lane lane : kLanes) side_flows += letters.has_requeued(lane) ? 1 : 0;
  values.crash_repeats_max = options.crash_repeats_max + options.replay_repeats_max * side_flows;
  page->publish(encode_page(values));
}

Result<std::unique_ptr<DeliveryStore>> DeliveryStore::open(const DeliveryStoreOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  SLUICE_TRY(with_store_advice(impl->open(), options.paths));
  return std::unique_ptr<DeliveryStore>(new DeliveryStore(std::move(impl)));
}

DeliveryStore::DeliveryStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DeliveryStore::~DeliveryStore() = default;

Result<std::vector<Rewind>> DeliveryStore::reconcile(const QueueView& queue) {
  return with_store_advice(impl_->reconcile(queue), impl_->options.paths);
}

Result<void> DeliveryStore::commit(const Completion& completion) {
  return with_store_advice(impl_->commit(completion), impl_->options.paths);
}

Result<void> DeliveryStore::check_folder() {
  auto checked = impl_->lock->check_in_place("the delivery store");
  if (!checked) impl_->database->keep_files();
  return checked;
}

Result<ReplayJob> DeliveryStore::start_replay(const ReplaySpec& spec, bool allow_partial) {
  return impl_->start_replay(spec, allow_partial);
}

Result<ReplayJob> DeliveryStore::cancel_replay(std::uint64_t id, const Actor& actor) {
  return impl_->cancel_replay(id, actor);
}

Result<ReplayState> DeliveryStore::save_replay(std::uint64_t id, const ReplayProgress& progress) {
  return impl_->save_replay(id, progress);
}

std::optional<ReplayJob> DeliveryStore::replay(std::uint64_t id) const {
  const std::lock_guard guard(impl_->mutex);
  const ReplayJob* job = impl_->jobs.find(id);
  return job == nullptr ? std::nullopt : std::optional(*job);
}

std::vector<ReplayJob> DeliveryStore::replays() const {
  const std::lock_guard guard(impl_->mutex);
  std::vector<ReplayJob> all;
  for (const auto& [id, job] : impl_->jobs.jobs()) all.push_back(job);
  return all;
}

std::vector<ReplayJob> DeliveryStore::active_replays() const {
  const std::lock_guard guard(impl_->mutex);
  std::vector<ReplayJob> active;
  for (const auto& [id, job] : impl_->jobs.jobs()) {
    if (job.is_active()) active.push_back(job);
  }
  return active;
}

Result<DeadLetterChange> DeliveryStore::requeue(const std::vector<RecordKey>& records,
                                                const Actor& actor) {
  return impl_->change_letters(LetterOrder::kRequeue, records, actor);
}

Result<DeadLetterChange> DeliveryStore::cancel_requeue(const std::vector<RecordKey>& records,
                                                       const Actor& actor) {
  return impl_->change_letters(LetterOrder::kCancelRequeue, records, actor);
}

Result<DeadLetterChange> DeliveryStore::discard(const std::vector<RecordKey>& records,
                                                const Actor& actor) {
  return impl_->change_letters(LetterOrder::kDiscard, records, actor);
}

std::vector<RecordKey> DeliveryStore::requeued(Lane lane) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->letters.requeued(lane);
}

Result<DeadLetter> DeliveryStore::dead_letter(const RecordKey& record) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->letters.read(*impl_->database, record);
}

Result<void> DeliveryStore::finish_requeue(Lane lane, const RequeueOutcome& outcome) {
  return with_store_advice(impl_->finish_requeue(lane, outcome), impl_->options.paths);
}

DeadLetterTotals DeliveryStore::dead_letters(Lane lane) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->letters.totals(lane);
}

Result<void> DeliveryStore::skip(Lane lane, const std::vector<StoredRecord>& events,
                                 const Actor& actor) {
  return impl_->skip(lane, events, actor);
}

std::shared_ptr<const std::set<Seq>> DeliveryStore::skipped(Lane lane) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->skipped_numbers[lane];
}

Result<std::set<RecordKey>> DeliveryStore::skipped_by_hand(Lane lane) const {
  const std::lock_guard guard(impl_->mutex);
  SLUICE_ASSIGN(const auto interventions, read_interventions(*impl_->database));
  return skipped_of(interventions, lane);
}

std::uint64_t DeliveryStore::changes() const { return impl_->changes.load(); }

LaneProgress DeliveryStore::progress(Lane lane) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->progress[lane];
}

Ledger DeliveryStore::ledger() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->ledger.rows();
}

const Id128& DeliveryStore::id() const { return impl_->id; }

}  // namespace sluice::queue
