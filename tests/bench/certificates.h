// Certificates for a measurement, as tests/support/certificates.py makes them.
#ifndef SLUICE_TESTS_BENCH_CERTIFICATES_H_
#define SLUICE_TESTS_BENCH_CERTIFICATES_H_

#include <filesystem>

#include "common/error.h"

namespace sluice::bench {

// Fills folder/teleport and folder/fluentd.
Result<void> make_certificates(const std::filesystem::path& folder);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_CERTIFICATES_H_
