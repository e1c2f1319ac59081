// How many events a second one core turns from wire bytes into JSON: the Transcoder, against
// protobuf's own way (parsing into a Struct, then MessageToJsonString).
//
// Both take the bodies of the same events in turn, round by round. What counts is processor time,
// so that other programs disturb little.
#ifndef SLUICE_TESTS_BENCH_MEASURE_TRANSCODE_H_
#define SLUICE_TESTS_BENCH_MEASURE_TRANSCODE_H_

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

Result<void> measure_transcode(const Setup& setup, Report* report);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_MEASURE_TRANSCODE_H_
