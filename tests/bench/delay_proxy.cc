#include "tests/bench/delay_proxy.h"

#include <sys/socket.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/tcp_server.h"

namespace sluice::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 128U << 10;

// One direction of a connection: a thread that reads and one that writes, later.
class Direction {
 public:
  Direction(int from, int to, Clock::duration delay)
      : from_(from), to_(to), delay_(delay), reading_([this] { read_all(); }), writing_([this] {
          write_all();
        }) {}

 private:
  // An empty one is the end.
  struct Piece {
    Clock::time_point due;
    std::vector<char> bytes;
  };

  void read_all() {
    while (true) {
      std::vector<char> bytes(kReadBytes);
      const ssize_t got = ::recv(from_, bytes.data(), bytes.size(), 0);
      bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
      const bool is_end = bytes.empty();
      {
        const std::lock_guard lock(mutex_);
        under_way_.push_back({Clock::now() + delay_, std::move(bytes)});
      }
      changed_.notify_one();
      if (is_end) return;
    }
  }

  void write_all() {
    while (true) {
      const Piece piece = take();
      if (piece.bytes.empty()) break;
      std::this_thread::sleep_until(piece.due);
      for (std::size_t sent = 0; sent < piece.bytes.size();) {
        const ssize_t now =
            ::send(to_, piece.bytes.data() + sent, piece.bytes.size() - sent, MSG_NOSIGNAL);
        if (now <= 0) break;
        sent += static_cast<std::size_t>(now);
      }
    }
    // Both ends, so that the other direction ends, too.
    ::shutdown(to_, SHUT_RDWR);
    ::shutdown(from_, SHUT_RDWR);
  }

  Piece take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !under_way_.empty(); });
    Piece piece = std::move(under_way_.front());
    under_way_.pop_front();
    return piece;
  }

  const int from_;
  const int to_;
  const Clock::duration delay_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> under_way_;
  std::jthread reading_;
  std::jthread writing_;
};

}  // namespace

Result<void> serve_delay_proxy(int port, std::chrono::milliseconds round_trip,
                               const Parent& parent) {
  const Clock::duration delay = Clock::duration(round_trip) / 2;
  SLUICE_ASSIGN(const auto server, TcpServer::start([&](int client) {
                  const auto sink = connect_to(port);
                  if (!sink) return;
                  const Direction there(client, sink->get(), delay);
                  const Direction back(sink->get(), client, delay);
                }));
  parent.send({{"port", {static_cast<double>(server->port())}}});
  parent.wait();
  return {};
}

}  // namespace sluice::bench
