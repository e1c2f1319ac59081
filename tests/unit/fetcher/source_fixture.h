// Runs a source against a FakeTeleport and collects what it pushes.
#ifndef SLUICE_TESTS_UNIT_FETCHER_SOURCE_FIXTURE_H_
#define SLUICE_TESTS_UNIT_FETCHER_SOURCE_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "fetcher/ingest/item.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/teleport_clock.h"
#include "tests/unit/fetcher/fake_teleport.h"
#include "tests/unit/fetcher/steered_clock.h"

namespace sluice::fetcher {

class SourceFixture : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{60};  // for a machine under load
  static constexpr Timestamp kNow{1'795'402'721, 0};    // 2026-11-23T02:58:41Z

  // Takes what the sources push until `done` holds and nothing is left. A failure when it does not
  // within kPatience.
  void collect_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      const bool finished = done();
      const std::size_t before = items_.size();
      std::vector<Item> batch;
      buffers_.take(TakeLimits{}, std::chrono::milliseconds(5), {}, &batch);
      for (Item& item : batch) note(std::move(item));
      if (finished && items_.size() == before) return;
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "the source did not get there in time";
        return;
      }
    }
  }

  // Ids of the events received, in order.
  std::vector<std::string> ids() const {
    std::vector<std::string> found;
    for (const Item& item : items_) {
      if (const auto* event = std::get_if<Event>(&item.content)) found.push_back(event->id);
    }
    return found;
  }
  std::vector<Reject> rejects() const {
    std::vector<Reject> found;
    for (const Item& item : items_) {
      if (const auto* reject = std::get_if<Reject>(&item.content)) found.push_back(*reject);
    }
    return found;
  }
  // The state that would be in the queue now.
  std::optional<std::string> state(const std::string& key) const {
    const auto found = state_.find(key);
    if (found == state_.end()) return std::nullopt;
    return found->second;
  }
  std::vector<std::pair<std::string, std::string>> states(const std::string& prefix) const {
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& [key, value] : state_) {
      if (key.starts_with(prefix)) found.emplace_back(key, value);
    }
    return found;
  }

  void note(Item item) {
    if (item.cursor) apply(*item.cursor);
    for (const StateChange& change : item.also) apply(change);
    if (item.read_up_to) read_up_to_ = from_unix_ms(item.read_up_to->time_ms);
    items_.push_back(std::move(item));
  }
  void apply(const StateChange& change) {
    if (change.value) {
      state_.insert_or_assign(change.key, *change.value);
    } else {
      state_.erase(change.key);
    }
  }

  SteeredClock clock_{kNow};
  TeleportClock teleport_clock_{clock_};
  FakeTeleport teleport_;
  LaneBuffers buffers_{1U << 20};
  std::vector<Item> items_;
  std::map<std::string, std::string> state_;
  std::optional<Timestamp> read_up_to_;  // as it was last said
};

}  // namespace sluice::fetcher

#endif  // SLUICE_TESTS_UNIT_FETCHER_SOURCE_FIXTURE_H_
