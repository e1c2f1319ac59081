// A thread that sleeps on the queue's doorbell and calls back each time the fetcher has published.
#ifndef SLUICE_SHIPPER_DOORBELL_H_
#define SLUICE_SHIPPER_DOORBELL_H_

#include <functional>
#include <stop_token>
#include <thread>

#include "queue/reader.h"

namespace sluice::shipper {

class Doorbell {
 public:
  // `reader` and what `on_ring` uses must outlive this. `on_ring` runs on this object's thread; a
  // publication before it was called has been called for when it returns.
  Doorbell(const queue::Reader* reader, std::function<void()> on_ring);
  // Waits for the thread, at most kPatience.
  ~Doorbell() = default;
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  // How long a stop can take.
  static constexpr std::chrono::milliseconds kPatience{200};

 private:
  void run(const std::stop_token& stop);

  const queue::Reader* reader_;
  std::function<void()> on_ring_;
  std::jthread thread_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_DOORBELL_H_
