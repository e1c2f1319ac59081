#include "fetcher/teleport/dial.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>

namespace sluice::fetcher {
namespace {

// A TCP port of loopback. What connects to it is answered with `answer`, and closed.
class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { ::close(fd_); }

  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  void listen() { EXPECT_EQ(::listen(fd_, 1), 0); }
  void answer_once(std::string_view answer) {
    const int peer = ::accept(fd_, nullptr, nullptr);
    ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
    ::shutdown(peer, SHUT_WR);
    char rest[4096];
    while (::recv(peer, rest, sizeof rest, 0) > 0) {
    }
    ::close(peer);
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

std::expected<SecureConnection, DialError> dial_directly(const std::string& address,
                                                         const std::stop_token& stop = {},
                                                         Resolver resolver = nullptr) {
  Route route;
  route.address = split_address(address, "3025");
  route.resolver = resolver;
  return dial(route, Identity{}, Deadline::in(std::chrono::seconds(10), stop));
}

std::string finding(const std::string& address) {
  const auto dialled = dial_directly(address);
  EXPECT_FALSE(dialled);
  if (dialled) return "";
  const Error& error = dialled.error().error;
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_NE(error.message.find(address), std::string::npos) << error.message;
  return error.message;
}

TEST(Dial, NamesAnAddressThatCannotBeResolved) {
  EXPECT_NE(finding("no-such-host.invalid:3025").find("cannot be resolved"), std::string::npos);
}

TEST(Dial, NamesARefusedConnection) {
  const Listener bound_but_deaf;
  EXPECT_NE(finding(bound_but_deaf.address()).find("Connection refused"), std::string::npos);
}

TEST(Dial, NamesAServerThatDoesNotSpeakTls) {
  Listener listener;
  listener.listen();
  std::jthread server([&] { listener.answer_once("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  EXPECT_NE(finding(listener.address()).find("wrong version number"), std::string::npos);
}

TEST(Dial, NamesAServerThatClosesTheConnection) {
  Listener listener;
  listener.listen();
  std::jthread server([&] { listener.answer_once(""); });
  EXPECT_NE(finding(listener.address()).find("closed the connection"), std::string::npos);
}

TEST(Dial, EndsAtOnceWhenAskedToStop) {
  Listener silent;
  silent.listen();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(dial_directly(silent.address(), stop.get_token()).error().error.kind,
            ErrorKind::kStopped);
}

// A resolver that answers only when it is allowed to.
std::binary_semaphore resolver_asked{0};
std::binary_semaphore resolver_may_answer{0};
std::binary_semaphore resolver_answered{0};

int stuck_resolver(const char*, const char*, const addrinfo*, addrinfo**) {
  resolver_asked.release();
  resolver_may_answer.acquire();
  resolver_answered.release();
  return EAI_AGAIN;
}

TEST(Dial, WaitsForNoResolverWhenAskedToStop) {
  std::stop_source stop;
  std::atomic<bool> ended = false;
  std::jthread dialling([&] {
    EXPECT_FALSE(dial_directly("slow.invalid:3025", stop.get_token(), &stuck_resolver));
    ended = true;
    ended.notify_all();
  });
  resolver_asked.acquire();
  EXPECT_FALSE(ended);
  stop.request_stop();
  ended.wait(false);
  EXPECT_FALSE(resolver_answered.try_acquire());
  resolver_may_answer.release();
  resolver_answered.acquire();
}

}  // namespace
}  // namespace sluice::fetcher
