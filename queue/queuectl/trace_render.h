// What became of an event, as text: for people, and JSON for programs. Pure.
#ifndef SLUICE_QUEUE_QUEUECTL_TRACE_RENDER_H_
#define SLUICE_QUEUE_QUEUECTL_TRACE_RENDER_H_

#include <string>
#include <string_view>

#include "queue/queuectl/trace.h"

namespace sluice::queue {

std::string trace_table(const Trace& trace);
// One JSON object.
std::string trace_json(const Trace& trace, std::string_view id);
// For people: what it means that the queue does not have the event.
std::string absence(const Trace& trace, std::string_view id);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_TRACE_RENDER_H_
