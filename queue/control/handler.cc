#include "queue/control/handler.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "queue/control/messages.h"

namespace sluice::queue {
namespace {

// A list shows so many types and ids of each job; the whole of it is in the job itself.
constexpr int kNamesInList = 3;

struct Caller {
  uid_t uid = 0;
  bool may_change = false;
};

Result<void> check_may_change(const Caller& caller) {
  if (caller.may_change) return {};
  return fail(ErrorKind::kUnauthorized,
              fmt::format("user id {} may look but not change anything: only root and the user as "
                          "whom sluice-shipper runs may",
                          caller.uid));
}

Result<wire::Response> get_status(const DeliveryStore& store, const Caller& caller,
                                  const std::function<SinkReport()>& sink) {
  wire::Response response;
  wire::Status& status = *response.mutable_status();
  status.set_delivery_id(store.id().to_string());
  status.set_pid(::getpid());
  status.set_may_change(caller.may_change);
  for (const Lane lane : kLanes) {
    wire::LaneStatus& one = *status.add_lanes();
    one.set_lane(to_wire(lane));
    one.set_position(store.progress(lane).position);
  }
  status.set_active_replays(store.active_replays().size());
  if (sink) *status.mutable_sink() = to_wire(sink());
  return response;
}

Result<wire::Response> list_replays(const DeliveryStore& store) {
  wire::Response response;
  wire::ReplayList& list = *response.mutable_replays();
  for (ReplayJob& job : store.replays()) {
    for (auto* names : {&job.spec.filter.types, &job.spec.filter.ids}) {
      if (names->size() > kNamesInList) names->resize(kNamesInList);
    }
    *list.add_replays() = to_wire(job);
  }
  return response;
}

Result<wire::Response> get_replay(const DeliveryStore& store, std::uint64_t id) {
  const auto job = store.replay(id);
  if (!job) return fail(ErrorKind::kNotFound, fmt::format("there is no replay job {}", id));
  wire::Response response;
  *response.mutable_replay() = to_wire(*job);
  return response;
}

Result<wire::Response> create_replay(DeliveryStore* store, const wire::CreateReplayRequest& request,
                                     const Caller& caller) {
  SLUICE_TRY(check_may_change(caller));
  SLUICE_ASSIGN(ReplaySpec spec, from_wire(request.spec()));
  spec.actor.uid = caller.uid;
  SLUICE_ASSIGN(const ReplayJob job, store->start_replay(spec, request.allow_partial()));
  wire::Response response;
  *response.mutable_replay() = to_wire(job);
  return response;
}

Result<wire::Response> cancel_replay(DeliveryStore* store, const wire::CancelReplayRequest& request,
                                     const Caller& caller) {
  SLUICE_TRY(check_may_change(caller));
  const Actor actor{caller.uid, request.claimed_by(), request.reason()};
  SLUICE_TRY(check_actor(actor));
  SLUICE_ASSIGN(const ReplayJob job, store->cancel_replay(request.id(), actor));
  wire::Response response;
  *response.mutable_replay() = to_wire(job);
  return response;
}

Result<wire::Response> change_dead_letters(DeliveryStore* store,
                                           const wire::ChangeDeadLettersRequest& request,
                                           const Caller& caller) {
  SLUICE_TRY(check_may_change(caller));
  const Actor actor{caller.uid, request.claimed_by(), request.reason()};
  std::vector<RecordKey> records;
  for (const wire::RecordKey& record : request.records()) {
    SLUICE_ASSIGN(const Lane lane, from_wire(record.lane()));
    records.push_back({lane, record.seq(), record.epoch()});
  }
  Result<DeadLetterChange> done = fail(
      ErrorKind::kUnimplemented, "the request asks for something that this release does not know");
  if (request.order() == wire::ChangeDeadLettersRequest::ORDER_REQUEUE) {
    done = store->requeue(records, actor);
  } else if (request.order() == wire::ChangeDeadLettersRequest::ORDER_CANCEL_REQUEUE) {
    done = store->cancel_requeue(records, actor);
  } else if (request.order() == wire::ChangeDeadLettersRequest::ORDER_DISCARD) {
    done = store->discard(records, actor);
  }
  if (!done) return fail(std::move(done).error());
  wire::Response response;
  *response.mutable_dead_letter_change() = to_wire(*done);
  return response;
}

Result<wire::Response> skip(DeliveryStore* store, const wire::SkipRequest& request,
                            const Caller& caller) {
  SLUICE_TRY(check_may_change(caller));
  SLUICE_ASSIGN(const Lane lane, from_wire(request.lane()));
  std::vector<StoredRecord> events;
  for (const wire::SkippedEvent& event : request.events()) {
    SLUICE_ASSIGN(const StoredRecord record, from_wire(event));
    events.push_back(record);
  }
  SLUICE_TRY(store->skip(lane, events, {caller.uid, request.claimed_by(), request.reason()}));
  wire::Response response;
  response.mutable_skip_done();
  return response;
}

Result<wire::Response> serve(DeliveryStore* store, std::string_view bytes, const Caller& caller,
                             const std::function<SinkReport()>& sink) {
  wire::Request request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorKind::kRejected, "the request cannot be read");
  }
  switch (request.operation_case()) {
    case wire::Request::kGetStatus:
      return get_status(*store, caller, sink);
    case wire::Request::kListReplays:
      return list_replays(*store);
    case wire::Request::kGetReplay:
      return get_replay(*store, request.get_replay().id());
    case wire::Request::kCreateReplay:
      return create_replay(store, request.create_replay(), caller);
    case wire::Request::kCancelReplay:
      return cancel_replay(store, request.cancel_replay(), caller);
    case wire::Request::kChangeDeadLetters:
      return change_dead_letters(store, request.change_dead_letters(), caller);
    case wire::Request::kSkip:
      return skip(store, request.skip(), caller);
    case wire::Request::OPERATION_NOT_SET:
      break;
  }
  return fail(ErrorKind::kUnimplemented,
              "the request asks for something that this release does not know");
}

}  // namespace

std::string ControlHandler::handle(std::string_view request, uid_t peer) {
  const Caller caller{peer, peer == 0 || peer == owner_};
  auto response = serve(store_, request, caller, sink_);
  if (response) return response->SerializeAsString();
  wire::Response failure;
  *failure.mutable_failure() = to_wire(response.error());
  return failure.SerializeAsString();
}

}  // namespace sluice::queue
