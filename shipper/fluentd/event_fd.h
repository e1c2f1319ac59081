// Ends a poll(2) from another thread.
//
// Any thread may signal(); signals that come before anybody looks count once.
#ifndef SLUICE_SHIPPER_FLUENTD_EVENT_FD_H_
#define SLUICE_SHIPPER_FLUENTD_EVENT_FD_H_

#include "common/owned_fd.h"

namespace sluice::shipper::fluentd {

class EventFd {
 public:
  // A process that can have no more descriptors aborts (SLUICE_CHECK).
  EventFd();

  void signal();
  // What came until now is forgotten.
  void clear();
  // Readable from a signal on until clear().
  int get() const { return fd_.get(); }

 private:
  OwnedFd fd_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_EVENT_FD_H_
