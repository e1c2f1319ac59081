// Reads the delivery store from another process than the shipper's, while that runs or not.
//
// Threads: one at a time. Writes nothing in the store's folder. For queuectl; needs read access to
// delivery/, which is the shipper's alone (0700).
#ifndef SLUICE_QUEUE_DELIVERY_READER_H_
#define SLUICE_QUEUE_DELIVERY_READER_H_

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "queue/dead_letter.h"
#include "queue/delivery_store.h"
#include "queue/instance.h"
#include "queue/intervention.h"
#include "queue/ledger.h"
#include "queue/replay_job.h"
#include "queue/types.h"

namespace sluice::queue {

struct DeliveryView {
  Id128 delivery_id;
  Id128 queue_id;  // zero: not yet bound
  PerLane<LaneProgress> progress;
  Ledger ledger;
};

class DeliveryReader {
 public:
  // kNotFound: there is no store yet. `scratch`: a folder of this reader's own; made and removed by
  // it.
  static Result<std::unique_ptr<DeliveryReader>> open(const InstancePaths& paths,
                                                      std::filesystem::path scratch);
  ~DeliveryReader();
  DeliveryReader(const DeliveryReader&) = delete;
  DeliveryReader& operator=(const DeliveryReader&) = delete;

  // Everything as of one commit.
  Result<DeliveryView> view();
  // How far a lane is, with the numbers beyond the position; view() has only their count, as one
  // range.
  Result<LaneProgress> progress(Lane lane);
  // The oldest first; finished ones too, as long as they are kept.
  Result<std::vector<ReplayJob>> replays();
  // All of them with the sizes of their rows, audit before session and by number, until `visit`
  // returns false.
  Result<void> visit_dead_letters(
      const std::function<bool(DeadLetter letter, std::size_t bytes)>& visit);
  // What has been done by hand about records, the newest of each.
  Result<std::vector<Intervention>> interventions();
  // At most `limit` of them, oldest number first, audit before session.
  Result<std::vector<DeadLetter>> dead_letters(std::size_t limit);
  // Those of one event id.
  Result<std::vector<DeadLetter>> dead_letters_of(std::string_view id);

 private:
  struct Impl;
  explicit DeliveryReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DELIVERY_READER_H_
