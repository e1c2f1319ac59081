// Counts of what the simulator was asked for and what it sent. Thread-safe.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_STATISTICS_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_STATISTICS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace sluice::teleport_sim {

class Statistics {
 public:
  // A recording that is being streamed, for as long as this lives.
  class OpenStream {
   public:
    explicit OpenStream(Statistics* statistics) : open_(statistics->open_streams_) { ++open_; }
    OpenStream(const OpenStream&) = delete;
    OpenStream& operator=(const OpenStream&) = delete;
    ~OpenStream() { --open_; }

   private:
    std::atomic<std::int64_t>& open_;
  };

  void count_call(const std::string& method) {
    const std::lock_guard lock(mutex_);
    ++calls_[method];
  }
  void count_sent(std::uint64_t events) { sent_ += events; }
  void count_refused_key() { ++refused_keys_; }
  void add_lock(nlohmann::json lock_request) {
    const std::lock_guard lock(mutex_);
    locks_.push_back(std::move(lock_request));
  }

  // {"calls":{METHOD:n},"sent":n,"open_streams":n,"refused_keys":n,"locks":[…]}
  nlohmann::json to_json() const {
    const std::lock_guard lock(mutex_);
    return {{"calls", calls_},
            {"sent", sent_.load()},
            {"open_streams", open_streams_.load()},
            {"refused_keys", refused_keys_.load()},
            {"locks", locks_}};
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> calls_;
  nlohmann::json locks_ = nlohmann::json::array();
  std::atomic<std::int64_t> open_streams_ = 0;
  std::atomic<std::uint64_t> refused_keys_ = 0;  // and cursors
  std::atomic<std::uint64_t> sent_ = 0;          // events, each time that they are sent
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_STATISTICS_H_
