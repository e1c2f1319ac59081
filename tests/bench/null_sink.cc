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

// What comes over a stream, piece by piece. Each call returns nothing, or false, at its end.
class Input {
 public:
  explicit Input(Stream* stream) : stream_(*stream), room_(kReadBytes) {}

  std::optional<unsigned char> peek() {
    if (at_ == end_ && !fill()) return std::nullopt;
    return static_cast<unsigned char>(room_[at_]);
  }
  std::optional<unsigned char> byte() {
    const auto next = peek();
    if (next) ++at_;
    return next;
  }
  std::optional<std::string> text(std::size_t size) {
    std::string text;
    while (text.size() < size) {
      const auto next = byte();
      if (!next) return std::nullopt;
      text.push_back(static_cast<char>(*next));
    }
    return text;
  }
  // With the end.
  std::optional<std::string> text_until(std::string_view end) {
    std::string text;
    while (!text.ends_with(end)) {
      const auto next = byte();
      if (!next) return std::nullopt;
      text.push_back(static_cast<char>(*next));
    }
    return text;
  }
  bool drop(std::size_t size) {
    const std::size_t here = std::min(size, end_ - at_);
    at_ += here;
    for (size -= here; size > 0;) {
      const ssize_t dropped = stream_.drop(size, room_.data());
      if (dropped <= 0) return false;
      size -= static_cast<std::size_t>(dropped);
    }
    return true;
  }

 private:
  bool fill() {
    const ssize_t got = stream_.read(room_.data(), room_.size());
    at_ = 0;
    end_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    return got > 0;
  }

  Stream& stream_;
  std::vector<char> room_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
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

bool serve_http_request(Input* input, Stream* stream) {
  const auto head = input->text_until(kHeadEnd);
  const auto length = head ? content_length(*head) : std::nullopt;
  return length && input->drop(*length) && stream->write(kAnswer) > 0;
}

// The size of the text, bytes or number that comes next; a small number has none. Of msgpack, as
// much as the shipper writes.
std::optional<std::size_t> msgpack_size(Input* input) {
  const auto kind = input->byte();
  if (!kind) return std::nullopt;
  if (*kind <= 0x7f) return 0;
  if (*kind >= 0xa0 && *kind <= 0xbf) return *kind & 0x1f;
  if (*kind >= 0xcc && *kind <= 0xcf) return std::size_t{1} << (*kind - 0xcc);
  const bool is_text = *kind >= 0xd9 && *kind <= 0xdb;
  if (!is_text && (*kind < 0xc4 || *kind > 0xc6)) return std::nullopt;
  const auto bytes = input->text(std::size_t{1} << (*kind - (is_text ? 0xd9 : 0xc4)));
  if (!bytes) return std::nullopt;
  std::size_t size = 0;
  for (const char byte : *bytes) size = size << 8 | static_cast<unsigned char>(byte);
  return size;
}

std::optional<std::string> msgpack_text(Input* input) {
  const auto size = msgpack_size(input);
  return size ? input->text(*size) : std::nullopt;
}

// A message of the forward protocol: tag, entries, and options with the id to acknowledge.
bool serve_chunk(Input* input, Stream* stream) {
  constexpr unsigned char kThreeParts = 0x93;
  constexpr unsigned char kMap = 0x80;
  if (input->byte() != kThreeParts || !msgpack_text(input)) return false;
  const auto entries = msgpack_size(input);
  if (!entries || !input->drop(*entries)) return false;
  const auto options = input->byte();
  if (!options || (*options & 0xf0) != kMap) return false;
  std::string ack(
      "\x81\xa3"
      "ack");
  for (int left = *options & 0x0f; left > 0; --left) {
    const auto name = msgpack_text(input);
    const auto value = msgpack_text(input);
    if (!name || !value || value->size() > 255) return false;
    if (*name != "chunk") continue;
    ack.push_back('\xd9');
    ack.push_back(static_cast<char>(value->size()));
    ack += *value;
  }
  return stream->write(ack) > 0;
}

void serve(SSL_CTX* context, int fd) {
  Stream stream(context, fd);
  Input input(&stream);
  while (const auto first = input.peek()) {
    const bool served =
        *first == 'P' ? serve_http_request(&input, &stream) : serve_chunk(&input, &stream);
    if (!served) return;
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
