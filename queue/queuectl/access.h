// Opens an instance's queue and delivery store for looking, while the daemons run or not.
//
// One thread. Its scratch folder, below the system's folder for temporary files, is removed at the
// end. Where none can be made every look is refused (kCannotCreate).
#ifndef SLUICE_QUEUE_QUEUECTL_ACCESS_H_
#define SLUICE_QUEUE_QUEUECTL_ACCESS_H_

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "queue/delivery_reader.h"
#include "queue/instance.h"
#include "queue/reader.h"

namespace sluice::queue {

// What is read at once by who looks through all that is kept.
inline constexpr ReadLimits kScanBlock{.records_max = 4096, .bytes_max = 4U << 20};

class Access {
 public:
  explicit Access(InstancePaths paths);
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  const InstancePaths& paths() const { return paths_; }
  // A folder for what lives no longer than this object.
  Result<std::filesystem::path> scratch() const;
  // Opens the queue at the first call, and anew whenever its fetcher has.
  Result<Reader*> reader();
  // What the delivery store says; kNotFound when there is none yet.
  Result<DeliveryView> delivery();
  // With the numbers beyond the position.
  Result<LaneProgress> progress(Lane lane);
  Result<std::vector<ReplayJob>> replays();
  // As the functions of DeliveryReader with these names; one view of the store.
  Result<void> visit_dead_letters(
      const std::function<bool(DeadLetter letter, std::size_t bytes)>& visit);
  Result<std::vector<Intervention>> interventions();
  // The dead letters of one event id.
  Result<std::vector<DeadLetter>> dead_letters_of(std::string_view id);

 private:
  Result<std::unique_ptr<DeliveryReader>> open_delivery() const;

  InstancePaths paths_;
  std::filesystem::path scratch_;
  std::unique_ptr<Reader> reader_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_ACCESS_H_
