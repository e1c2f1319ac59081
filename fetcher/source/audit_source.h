// Where audit events come from: the bulk export or the window search.
//
// run() goes on until it is asked to stop, or a backfill is done; it repeats what fails, with
// growing waits, and logs why.
// What it receives it pushes into the audit lane's buffer, together with its cursors.
#ifndef SLUICE_FETCHER_SOURCE_AUDIT_SOURCE_H_
#define SLUICE_FETCHER_SOURCE_AUDIT_SOURCE_H_

#include <stop_token>

namespace sluice::fetcher {

// Why run() returned.
enum class SourceEnd {
  kStopped,
  kFinished,     // a backfill: nothing of its span is expected any more
  kChooseAgain,  // Teleport has lost the call that this uses, or gained a better one
};

class AuditSource {
 public:
  AuditSource() = default;
  AuditSource(const AuditSource&) = delete;
  AuditSource& operator=(const AuditSource&) = delete;
  virtual ~AuditSource() = default;

  virtual SourceEnd run(std::stop_token stop) = 0;

  // Whether all that Teleport had at the last look is in the buffer or behind it. Any thread.
  virtual bool idle() const = 0;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_AUDIT_SOURCE_H_
