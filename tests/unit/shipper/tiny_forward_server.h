// A very small forward input on the loopback, to see what the transport really sends, and to fail
// on demand. It answers whatever the test says.
#ifndef SLUICE_TESTS_UNIT_SHIPPER_TINY_FORWARD_SERVER_H_
#define SLUICE_TESTS_UNIT_SHIPPER_TINY_FORWARD_SERVER_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <msgpack.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "tests/unit/shipper/tiny_tcp_server.h"

namespace sluice::shipper::fluentd {

class TinyForwardServer {
 public:
  struct Message {
    std::size_t connection = 0;  // counted from 0 as they were accepted
    std::shared_ptr<msgpack::object_handle> object;

    const msgpack::object& part(std::uint32_t index) const {
      return object->get().via.array.ptr[index];
    }
    // Of a chunk.
    std::string tag() const { return part(0).as<std::string>(); }
    std::string entries() const;
    std::string option(const std::string& name) const;  // a number in digits; empty: not there
    bool is_ping() const { return tag() == "PING"; }
    std::string ack() const;  // what acknowledges it
  };
  // Returns the bytes to answer with; empty: close the connection without an answer. May block.
  using Handler = std::function<std::string(const Message&)>;

  // `greeting` goes to each client at once.
  explicit TinyForwardServer(Handler handler, std::string greeting = "");
  TinyForwardServer(const TinyForwardServer&) = delete;
  TinyForwardServer& operator=(const TinyForwardServer&) = delete;

  std::string url(const std::string& path, const std::string& host = "127.0.0.1") const;
  std::vector<Message> messages() const;
  std::vector<std::chrono::steady_clock::time_point> accepted_at() const {
    return server_.accepted_at();
  }
  // Whether each connection is closed right behind its first answer.
  std::atomic<bool> closes_behind_answer = false;
  // Ends all connections that there are.
  void hang_up() { server_.hang_up(); }

 private:
  void serve(int socket, std::size_t connection);

  Handler handler_;
  std::string greeting_;
  mutable std::mutex mutex_;
  std::vector<Message> messages_;
  TinyTcpServer server_;  // last, so that its threads end before the others are gone
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_TESTS_UNIT_SHIPPER_TINY_FORWARD_SERVER_H_
