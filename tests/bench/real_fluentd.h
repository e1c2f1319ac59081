// A real Fluentd from the PATH, with the http input that Teleport's own handler configures.
#ifndef SLUICE_TESTS_BENCH_REAL_FLUENTD_H_
#define SLUICE_TESTS_BENCH_REAL_FLUENTD_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>

#include "common/error.h"

namespace sluice::bench {

enum class FluentdOutput {
  kNull,
  kFileBuffer,  // a file buffer, written out each second into a file
};

// Killed with its object, and with the thread that started it. One thread.
class RealFluentd {
 public:
  static bool is_on_path();

  // Returns once it serves. `folder` has to be there and be empty; `certificates`: what
  // tests/support/certificates.py made for Fluentd.
  static Result<std::unique_ptr<RealFluentd>> start(const std::filesystem::path& folder,
                                                    const std::filesystem::path& certificates,
                                                    FluentdOutput output);
  RealFluentd(const RealFluentd&) = delete;
  RealFluentd& operator=(const RealFluentd&) = delete;
  ~RealFluentd();

  int port() const { return port_; }
  double processor_seconds() const;
  // Waits until its buffer is written out, and removes what it has put out, which would fill the
  // disk.
  Result<void> empty() const;

 private:
  RealFluentd(std::filesystem::path folder, int port) : folder_(std::move(folder)), port_(port) {}
  Result<void> run();
  Result<void> wait_until_it_serves() const;

  const std::filesystem::path folder_;
  const int port_;
  pid_t pid_ = -1;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_REAL_FLUENTD_H_
