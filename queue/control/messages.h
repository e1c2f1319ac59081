// Between the queue's types and the messages of proto/sluice/control/v1/control.proto. Internal to
// queue/control/. Pure.
#ifndef SLUICE_QUEUE_CONTROL_MESSAGES_H_
#define SLUICE_QUEUE_CONTROL_MESSAGES_H_

#include "common/error.h"
#include "queue/delivery_store.h"
#include "queue/record.h"
#include "queue/replay_job.h"
#include "queue/sink_report.h"
#include "queue/types.h"
#include "sluice/control/v1/control.pb.h"

namespace sluice::queue {

namespace wire = ::sluice::control::v1;

wire::Lane to_wire(Lane lane);
// kUsage: it is none that this program knows.
Result<Lane> from_wire(wire::Lane lane);

wire::ReplaySpec to_wire(const ReplaySpec& spec);
Result<ReplaySpec> from_wire(const wire::ReplaySpec& spec);

wire::Replay to_wire(const ReplayJob& job);
Result<ReplayJob> from_wire(const wire::Replay& replay);

wire::DeadLetterChange to_wire(const DeadLetterChange& change);
DeadLetterChange from_wire(const wire::DeadLetterChange& change);

wire::SkippedEvent to_wire(const StoredRecord& event);
// Its views are the message's. kUsage: no number, no id, or a time that is none.
Result<StoredRecord> from_wire(const wire::SkippedEvent& event);

wire::Sink to_wire(const SinkReport& report);
SinkReport from_wire(const wire::Sink& sink);

wire::Failure to_wire(const Error& error);
Error from_wire(const wire::Failure& failure);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_MESSAGES_H_
