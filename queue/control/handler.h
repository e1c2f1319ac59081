// Does what requests of proto/sluice/control/v1/control.proto ask for, on an open delivery store:
// the shipper's own, or the one that queuectl has opened while no shipper runs.
//
// Whoever can reach it may look. Only root and the store's owner may change anything. A request
// that makes no sense gets a failure as its answer. Threads: any, at once, as the store.
#ifndef SLUICE_QUEUE_CONTROL_HANDLER_H_
#define SLUICE_QUEUE_CONTROL_HANDLER_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "queue/delivery_store.h"
#include "queue/sink_report.h"

namespace sluice::queue {

class ControlHandler {
 public:
  // `store` must outlive this. `owner` is the user as whom the store is written.
  // `sink` says what is known of the sink; empty: nothing, since no shipper runs here.
  ControlHandler(DeliveryStore* store, uid_t owner, std::function<SinkReport()> sink = {})
      : store_(store), owner_(owner), sink_(std::move(sink)) {}

  // Bytes of a Request from a process of the user `peer`; returns those of a Response.
  std::string handle(std::string_view request, uid_t peer);

 private:
  DeliveryStore* store_;
  uid_t owner_;
  std::function<SinkReport()> sink_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_HANDLER_H_
