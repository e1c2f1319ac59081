#include "shipper/doorbell.h"

#include <utility>

namespace sluice::shipper {

Doorbell::Doorbell(const queue::Reader* reader, std::function<void()> on_ring)
    : reader_(reader),
      on_ring_(std::move(on_ring)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Doorbell::run(const std::stop_token& stop) {
  // The number is taken before the lanes are woken, so that what is published while they look rings
  // again.
  auto seen = reader_->doorbell();
  on_ring_();
  while (!stop.stop_requested()) {
    if (!reader_->wait(seen, kPatience)) continue;
    seen = reader_->doorbell();
    on_ring_();
  }
}

}  // namespace sluice::shipper
