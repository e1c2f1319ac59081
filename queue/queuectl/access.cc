#include "queue/queuectl/access.h"

#include <cstdlib>
#include <system_error>

namespace sluice::queue {

Access::Access(InstancePaths paths) : paths_(std::move(paths)) {
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  if (error) return;
  std::string folder = (temporary / "queuectl-XXXXXX").string();
  if (::mkdtemp(folder.data()) != nullptr) scratch_ = folder;
}

Access::~Access() {
  reader_.reset();
  std::error_code ignored;
  if (!scratch_.empty()) std::filesystem::remove_all(scratch_, ignored);
}

Result<std::filesystem::path> Access::scratch() const {
  if (!scratch_.empty()) return scratch_;
  return fail(ErrorKind::kCannotCreate,
              "cannot make a folder for temporary files: set TMPDIR to one that is writable");
}

Result<Reader*> Access::reader() {
  SLUICE_TRY(scratch());
  if (reader_ == nullptr) {
    SLUICE_ASSIGN(reader_, Reader::open({paths_, scratch_ / "queue"}));
  } else if (const auto durable = reader_->durable(Lane::kAudit);
             !durable && durable.error().kind == ErrorKind::kEpochChanged) {
    SLUICE_TRY(reader_->reopen());
  }
  return reader_.get();
}

// What is made in the scratch folder is deleted at the end, so there must be one: a bare "delivery"
// could be the store itself.
Result<std::unique_ptr<DeliveryReader>> Access::open_delivery() const {
  SLUICE_ASSIGN(const auto folder, scratch());
  return DeliveryReader::open(paths_, folder / "delivery");
}

Result<DeliveryView> Access::delivery() {
  SLUICE_ASSIGN(const auto opened, open_delivery());
  return opened->view();
}

Result<LaneProgress> Access::progress(Lane lane) {
  SLUICE_ASSIGN(const auto opened, open_delivery());
  return opened->progress(lane);
}

Result<std::vector<ReplayJob>> Access::replays() {
  SLUICE_ASSIGN(const auto opened, open_delivery());
  return opened->replays();
}

Result<void> Access::visit_dead_letters(
    const std::function<bool(DeadLetter letter, std::size_t bytes)>& visit) {
  SLUICE_ASSIGN(const auto opened, open_delivery());
  return opened->visit_dead_letters(visit);
}

Result<std::vector<Intervention>> Access::interventions() {
  SLUICE_ASSIGN(const auto opened, open_delivery());
  return opened->interventions();
}

Result<std::vector<DeadLetter>> Access::dead_letters_of(std::string_view id) {
  SLUICE_ASSIGN(const auto opened, open_delivery());
  return opened->dead_letters_of(id);
}

}  // namespace sluice::queue
