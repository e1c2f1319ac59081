// What a request carries that is made by ourselves and not from the queue. Pure; any thread.
#ifndef SLUICE_SHIPPER_MADE_BODY_H_
#define SLUICE_SHIPPER_MADE_BODY_H_

#include <cstddef>
#include <string>

#include "common/body_form.h"

namespace sluice::shipper {

// The event, a JSON object, so many times, as the configured form has events of the queue.
std::string made_body(const std::string& event, std::size_t times, BodyForm form);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_MADE_BODY_H_
