// Asks a shipper, or whatever answers like one, for the operations of
// proto/sluice/control/v1/control.proto.
//
// One thread. Errors are those of the other side, or kIo when it does not answer.
#ifndef SLUICE_QUEUE_CONTROL_CLIENT_H_
#define SLUICE_QUEUE_CONTROL_CLIENT_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "queue/delivery_store.h"
#include "queue/record.h"
#include "queue/replay_job.h"
#include "queue/sink_report.h"
#include "queue/types.h"

namespace sluice::queue {

struct ControlStatus {
  std::string delivery_id;
  std::int64_t pid = 0;
  PerLane<Seq> position;
  std::uint64_t active_replays = 0;
  bool may_change = false;
  std::optional<SinkReport> sink;  // nothing: no shipper runs
};

class ControlClient {
 public:
  // Sends the bytes of a Request and returns those of its Response.
  using Exchange = std::function<Result<std::string>(const std::string& request)>;
  explicit ControlClient(Exchange exchange) : exchange_(std::move(exchange)) {}

  // To the shipper that listens at `socket`. kNotFound: none does.
  static Result<ControlClient> connect(const std::filesystem::path& socket);

  Result<ControlStatus> status();
  Result<std::vector<ReplayJob>> replays();
  Result<ReplayJob> replay(std::uint64_t id);
  Result<ReplayJob> start_replay(const ReplaySpec& spec, bool allow_partial);
  Result<ReplayJob> cancel_replay(std::uint64_t id, const Actor& actor);
  // As the functions of DeliveryStore with these names.
  Result<DeadLetterChange> requeue(const std::vector<RecordKey>& records, const Actor& actor);
  Result<DeadLetterChange> cancel_requeue(const std::vector<RecordKey>& records,
                                          const Actor& actor);
  Result<DeadLetterChange> discard(const std::vector<RecordKey>& records, const Actor& actor);
  Result<void> skip(Lane lane, const std::vector<StoredRecord>& events, const Actor& actor);

 private:
  Exchange exchange_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_CLIENT_H_
