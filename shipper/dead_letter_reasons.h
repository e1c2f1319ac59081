// How many events became dead letters, by reason: "reject" (the fetcher's, never sent), "http_400"
// (the sink's last answer) or "no_answer" (over the forward protocol there is none).
//
// Any thread.
#ifndef SLUICE_SHIPPER_DEAD_LETTER_REASONS_H_
#define SLUICE_SHIPPER_DEAD_LETTER_REASONS_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "queue/dead_letter.h"

namespace sluice::shipper {

class DeadLetterReasons {
 public:
  void add(const queue::DeadLetter& letter);
  std::map<std::string, std::uint64_t> counts() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_DEAD_LETTER_REASONS_H_
