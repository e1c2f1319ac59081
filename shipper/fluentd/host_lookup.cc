#include "shipper/fluentd/host_lookup.h"

#include <netdb.h>

#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace sluice::shipper::fluentd {
namespace {

HostLookup::Outcome look_up(const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (failed != 0) return std::unexpected(std::string(::gai_strerror(failed)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
  }
  if (addresses.empty()) return std::unexpected(std::string("it has no address"));
  return addresses;
}

}  // namespace

struct HostLookup::State {
  std::mutex mutex;
  std::optional<Outcome> outcome;
};

HostLookup::HostLookup(const std::string& host, const std::string& port,
                       std::shared_ptr<EventFd> done)
    : state_(std::make_shared<State>()) {
  if (auto address = look_up(host, port, AI_NUMERICHOST | AI_NUMERICSERV)) {
    state_->outcome = std::move(address);
    return;
  }
  try {
    std::thread([state = state_, host, port, done = std::move(done)] {
      auto outcome = look_up(host, port, AI_NUMERICSERV);
      {
        const std::lock_guard lock(state->mutex);
        state->outcome = std::move(outcome);
      }
      done->signal();
    }).detach();
  } catch (const std::system_error& error) {
    state_->outcome =
        std::unexpected(std::string("no thread can be started for it: ") + error.what());
  }
}

std::optional<HostLookup::Outcome> HostLookup::take() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->outcome, std::nullopt);
}

}  // namespace sluice::shipper::fluentd
