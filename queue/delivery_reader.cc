#include "queue/delivery_reader.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <system_error>
#include <thread>

#include "queue/answer_rows.h"
#include "queue/database.h"
#include "queue/dead_letter_rows.h"
#include "queue/delivery_schema.h"
#include "queue/format_file.h"
#include "queue/job_rows.h"
#include "queue/ledger_store.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {

constexpr int kTriesMax = 200;
constexpr auto kRetryPause = std::chrono::milliseconds(5);

}  // namespace

struct DeliveryReader::Impl {
  ~Impl() {
    database.reset();
    std::error_code ignored;
    std::filesystem::remove_all(scratch, ignored);
  }
  Result<void> catch_up();
  Result<DeliveryView> read_once(bool* consistent);
  Result<std::vector<DeadLetter>> collect(std::size_t limit,
                                          const std::function<bool(const DeadLetter&)>& wanted);

  InstancePaths paths;
  std::filesystem::path scratch;
  std::unique_ptr<Database> database;
};

Result<void> DeliveryReader::Impl::catch_up() {
  const rocksdb::Status status = database->db().TryCatchUpWithPrimary();
  if (!status.ok()) return fail(database_error("follow the database", database->path(), status));
  return {};
}

// *consistent: whether lanes and ledger were of one moment, which their sums tell.
Result<DeliveryView> DeliveryReader::Impl::read_once(bool* consistent) {
  SLUICE_TRY(catch_up());
  DeliveryView view;
  SLUICE_ASSIGN(const auto id, database->get(kDefaultFamily, kStoreIdKey));
  if (id) view.delivery_id = id_from_bytes(*id);
  SLUICE_ASSIGN(const auto bound, database->newest(kDefaultFamily, kBindingPrefix));
  if (bound) {
    SLUICE_ASSIGN(const Binding binding, decode_binding(bound->value));
    view.queue_id = binding.queue_id;
  }
  SLUICE_ASSIGN(view.ledger, read_ledger(*database));
  *consistent = true;
  for (const Lane lane : kLanes) {
    SLUICE_ASSIGN(const auto newest, database->newest(kLanesFamily, lane_prefix(lane)));
    if (!newest) continue;
    SLUICE_ASSIGN(LaneRow row, decode_lane_row(newest->value));
    // Beyond the position only the count is known here, and people need no more: as one range
    // behind it.
    if (row.completed_count > 0) {
      row.progress.completed = {
          {row.progress.position + 2, row.progress.position + 1 + row.completed_count}};
    }
    view.progress[lane] = row.progress;
    const LedgerRow sum = total_of(view.ledger, lane);
    *consistent = *consistent && sum.acknowledged == row.progress.acknowledged &&
                  sum.dead == row.progress.dead && sum.skipped == row.progress.skipped &&
                  sum.gap == row.progress.gap;
  }
  return view;
}

Result<std::unique_ptr<DeliveryReader>> DeliveryReader::open(const InstancePaths& paths,
                                                             std::filesystem::path scratch) {
  const auto format = check_format(paths.sink(), kDeliveryFormat);
  if (!format) {
    if (format.error().kind != ErrorKind::kNotFound) return fail(format.error());
    return fail(ErrorKind::kNotFound,
                fmt::format("there is no delivery store at {} yet: start sluice-shipper",
                            paths.sink().string()));
  }
  auto impl = std::make_unique<Impl>();
  impl->paths = paths;
  impl->scratch = std::move(scratch);
  SLUICE_ASSIGN(impl->database,
                Database::open_secondary(paths.delivery_db(), impl->scratch, delivery_families()));
  for (const ColumnFamilySpec& family : delivery_families(*format)) {
    if (impl->database->has_family(family.name)) continue;
    return fail(ErrorKind::kNotFound,
                fmt::format("the delivery store at {} is not finished yet: start sluice-shipper",
                            paths.sink().string()));
  }
  return std::unique_ptr<DeliveryReader>(new DeliveryReader(std::move(impl)));
}

DeliveryReader::DeliveryReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DeliveryReader::~DeliveryReader() = default;

Result<DeliveryView> DeliveryReader::view() {
  for (int i = 1;; ++i) {
    bool consistent = false;
    SLUICE_ASSIGN(DeliveryView view, impl_->read_once(&consistent));
    // Sums that never agree are for the caller to show, not to hide.
    if (consistent || i == kTriesMax) return view;
    std::this_thread::sleep_for(kRetryPause);
  }
}

Result<LaneProgress> DeliveryReader::progress(Lane lane) {
  for (int i = 1;; ++i) {
    SLUICE_TRY(impl_->catch_up());
    SLUICE_ASSIGN(const auto newest, impl_->database->newest(kLanesFamily, lane_prefix(lane)));
    if (!newest) return LaneProgress{};
    SLUICE_ASSIGN(LaneRow row, decode_lane_row(newest->value));
    auto completed = completed_beyond(*impl_->database, lane, row.progress.position);
    if (completed) row.progress.completed = std::move(*completed);
    const bool consistent = completed && row.progress.completed_count() == row.completed_count;
    if (consistent) return std::move(row.progress);
    if (i == kTriesMax && !completed) return fail(std::move(completed.error()));
    if (i == kTriesMax) {
      return fail(ErrorKind::kBusy, fmt::format("no consistent view of lane {} was to be had at {}",
                                                name_of(lane), impl_->database->path().string()));
    }
    std::this_thread::sleep_for(kRetryPause);
  }
}

Result<std::vector<ReplayJob>> DeliveryReader::replays() {
  for (int i = 1;; ++i) {
    SLUICE_TRY(impl_->catch_up());
    auto jobs = read_jobs(*impl_->database);
    if (jobs || jobs.error().kind != ErrorKind::kBusy || i == kTriesMax) return jobs;
    std::this_thread::sleep_for(kRetryPause);
  }
}

Result<std::vector<DeadLetter>> DeliveryReader::dead_letters(std::size_t limit) {
  return impl_->collect(limit, [](const DeadLetter&) { return true; });
}

Result<std::vector<DeadLetter>> DeliveryReader::dead_letters_of(std::string_view id) {
  return impl_->collect(SIZE_MAX, [&](const DeadLetter& letter) { return letter.id == id; });
}

Result<void> DeliveryReader::visit_dead_letters(
    const std::function<bool(DeadLetter letter, std::size_t bytes)>& visit) {
  SLUICE_TRY(impl_->catch_up());
  return queue::visit_dead_letters(*impl_->database, visit);
}

Result<std::vector<Intervention>> DeliveryReader::interventions() {
  SLUICE_TRY(impl_->catch_up());
  return read_interventions(*impl_->database);
}

Result<std::vector<DeadLetter>> DeliveryReader::Impl::collect(
    std::size_t limit, const std::function<bool(const DeadLetter&)>& wanted) {
  SLUICE_TRY(catch_up());
  std::vector<DeadLetter> letters;
  SLUICE_TRY(queue::visit_dead_letters(*database, [&](DeadLetter letter, std::size_t) {
    if (letters.size() < limit && wanted(letter)) letters.push_back(std::move(letter));
    return letters.size() < limit;
  }));
  return letters;
}

}  // namespace sluice::queue
