#include "tests/bench/null_sink.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/tcp_server.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kReadBytes = 256U << 10;
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: Keep-Alive\r\nContent-Length: "
    "0\r\n\r\n";

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// One end of a connection, with or without TLS. Each call returns how many bytes it was about; 0 or
// less: the connection has ended.
class Stream {
 public:
  Stream(SSL_CTX* context, int fd) : fd_(fd) {
    if (context == nullptr) return;
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), fd);
    if (SSL_accept(ssl_.get()) != 1) ::shutdown(fd, SHUT_RDWR);
  }

  ssize_t read(char* into, std::size_t room) {
    if (ssl_) return SSL_read(ssl_.get(), into, static_cast<int>(room));
    return ::recv(fd_, into, room, 0);
  }
  // `room` is for what has to be read to be dropped.
  ssize_t drop(std::size_t count, char* room) {
    if (ssl_) return read(room, std::min(count, kReadBytes));
    return ::recv(fd_, nullptr, count, MSG_TRUNC);
  }
  ssize_t write(std::string_view bytes) {
    if (ssl_) return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

 private:
  const int fd_;
  std::unique_ptr<SSL, Free> ssl_;
};

std::optional<std::size_t> content_length(std::string_view head) {
  constexpr std::string_view kName = "\r\nContent-Length: ";
  const auto at = head.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  std::size_t length = 0;
  const char* const begin = head.data() + at + kName.size();
  const auto parsed = std::from_chars(begin, head.data() + head.size(), length);
  return parsed.ec == std::errc{} ? std::optional(length) : std::nullopt;
}

// What is behind a head in the same read is of its body: a client waits for each answer.
void serve(SSL_CTX* context, int fd) {
  Stream stream(context, fd);
  std::vector<char> room(kReadBytes);
  std::string head;
  while (true) {
    const ssize_t got = stream.read(room.data(), room.size());
    if (got <= 0) return;
    head.append(room.data(), static_cast<std::size_t>(got));
    const auto end = head.find(kHeadEnd);
    if (end == std::string::npos) continue;
    const auto length = content_length(std::string_view(head).substr(0, end + 2));
    if (!length) return;
    std::size_t left = *length - std::min(*length, head.size() - end - kHeadEnd.size());
    while (left > 0) {
      const ssize_t dropped = stream.drop(left, room.data());
      if (dropped <= 0) return;
      left -= static_cast<std::size_t>(dropped);
    }
    head.clear();
    if (stream.write(kAnswer) <= 0) return;
  }
}

Result<std::unique_ptr<SSL_CTX, Free>> make_context(const std::filesystem::path& certificates) {
  std::unique_ptr<SSL_CTX, Free> context;
  if (certificates.empty()) return context;
  context.reset(SSL_CTX_new(TLS_server_method()));
  const bool loaded =
      SSL_CTX_use_certificate_chain_file(context.get(), (certificates / "server.crt").c_str()) ==
          1 &&
      SSL_CTX_use_PrivateKey_file(context.get(), (certificates / "server.key").c_str(),
                                  SSL_FILETYPE_PEM) == 1 &&
      SSL_CTX_load_verify_locations(context.get(), (certificates / "ca.crt").c_str(), nullptr) ==
          1 &&
      SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION) == 1;
  if (!loaded) {
    return fail(ErrorKind::kIo, "cannot load the sink's certificates of " + certificates.string());
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

}  // namespace

Result<void> serve_null_sink(const NullSinkOptions& options, const Parent& parent) {
  SLUICE_ASSIGN(const auto context, make_context(options.certificates));
  const auto serve_one = [&context](int fd) { serve(context.get(), fd); };
  SLUICE_ASSIGN(const auto server, TcpServer::start_closed(serve_one));
  if (!options.is_down_at_first) SLUICE_TRY(server->open());
  parent.send({{"port", {static_cast<double>(server->port())}}});
  parent.wait();
  if (!options.is_down_at_first) return {};
  SLUICE_TRY(server->open());
  parent.wait();
  return {};
}

}  // namespace sluice::bench
