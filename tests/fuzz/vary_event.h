// Events for the transcoder's fuzzer: EventUnstructured messages that are changed as trees, so that
// lengths stay right and deep structures, keys that are there twice, and every kind of value are
// reached. What no encoder writes is among them: missing and doubled kinds, unknown fields, wrong
// types, bytes that are no UTF-8.
#ifndef SLUICE_TESTS_FUZZ_VARY_EVENT_H_
#define SLUICE_TESTS_FUZZ_VARY_EVENT_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {

std::vector<std::string> event_seeds();

// Bytes that are no message at all are changed as bytes.
std::string vary_event(std::string_view message, Random* random);

}  // namespace sluice::fuzz

#endif  // SLUICE_TESTS_FUZZ_VARY_EVENT_H_
