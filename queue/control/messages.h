// Between the queue's types and the messages of proto/sluice/control/v1/control.proto. Internal to
// queue/control/. Pure.
#ifndef SLUICE_QUEUE_CONTROL_MESSAGES_H_
#define SLUICE_QUEUE_CONTROL_MESSAGES_H_

#include "common/error.h"
#include "queue/replay_job.h"
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

wire::Failure to_wire(const Error& error);
Error from_wire(const wire::Failure& failure);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_MESSAGES_H_
