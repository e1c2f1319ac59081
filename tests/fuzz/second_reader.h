// What docs and headers say of which events can be shipped, written a second time, so that the
// fuzzer can tell a refusal that is meant from one that is not.
//
// Reads EventUnstructured wire bytes by the contract in fetcher/transcode/transcoder.h and writes
// them again in their plain form: no unknown fields, of each key the value that counts, tags and
// lengths as short as they can be. What strings hold is left to protobuf, which then reads the
// plain form. Pure.
#ifndef SLUICE_TESTS_FUZZ_SECOND_READER_H_
#define SLUICE_TESTS_FUZZ_SECOND_READER_H_

#include <expected>
#include <string>
#include <string_view>

namespace sluice::fuzz {

// The plain form, or why the contract refuses the event.
std::expected<std::string, std::string> plain_event(std::string_view message);

}  // namespace sluice::fuzz

#endif  // SLUICE_TESTS_FUZZ_SECOND_READER_H_
