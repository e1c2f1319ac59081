// Whether bytes are what an event's body must be: one JSON object. Internal to queue/.
//
// Checks the grammar and the UTF-8, and nothing of what the members mean. One thread an object.
#ifndef SLUICE_QUEUE_EVENT_JSON_H_
#define SLUICE_QUEUE_EVENT_JSON_H_

#include <memory>
#include <string_view>

namespace sluice::queue {

class EventJson {
 public:
  EventJson();
  ~EventJson();
  EventJson(const EventJson&) = delete;
  EventJson& operator=(const EventJson&) = delete;

  bool is_object(std::string_view body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_EVENT_JSON_H_
