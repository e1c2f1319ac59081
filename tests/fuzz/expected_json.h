// Holds JSON text against the protobuf message that it was made from, without any code of the
// transcoder's.
//
// The text must be the one that fetcher/transcode promises: compact, keys sorted by their bytes,
// only what must be escaped escaped. Numbers are read back and compared bit by bit, and must have
// the form that Go's encoder gives them. Pure.
#ifndef SLUICE_TESTS_FUZZ_EXPECTED_JSON_H_
#define SLUICE_TESTS_FUZZ_EXPECTED_JSON_H_

#include <google/protobuf/struct.pb.h>

#include <optional>
#include <string>
#include <string_view>

namespace sluice::fuzz {

// The first difference, as a sentence; nothing if the text is right.
std::optional<std::string> difference(const google::protobuf::Struct& message,
                                      std::string_view json);

}  // namespace sluice::fuzz

#endif  // SLUICE_TESTS_FUZZ_EXPECTED_JSON_H_
