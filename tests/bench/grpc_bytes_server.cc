#include "tests/bench/grpc_bytes_server.h"

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>

#include "common/check.h"
#include "tests/bench/tcp_server.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kWriteBytes = 32U << 10;
constexpr std::size_t kReadBytes = 16U << 10;
constexpr std::size_t kPrefixBytes = 5;  // of a gRPC message: not compressed, its size

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};

nghttp2_nv header(const char* name, const char* value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value)), std::strlen(name),
          std::strlen(value), NGHTTP2_NV_FLAG_NONE};
}

// A stream of a connection: the call's request, then the bytes of its answer.
struct Call {
  std::string path;
  std::string request;
  std::unique_ptr<Messages> messages;
  std::string message;
  std::string bytes;  // of the message under way, with its prefix
  std::size_t sent = 0;

  // As much of one message as there is room for; nothing at the end.
  std::size_t take(std::uint8_t* into, std::size_t room) {
    if (sent == bytes.size()) {
      if (!messages->next(&message)) return 0;
      const std::uint32_t size = htonl(static_cast<std::uint32_t>(message.size()));
      bytes.assign(1, '\0').append(reinterpret_cast<const char*>(&size), sizeof size);
      bytes += message;
      sent = 0;
    }
    const std::size_t count = std::min(room, bytes.size() - sent);
    std::memcpy(into, bytes.data() + sent, count);
    sent += count;
    return count;
  }
};

class Connection {
 public:
  Connection(SSL_CTX* context, int fd, const Answer& answer)
      : ssl_(SSL_new(context)), fd_(fd), answer_(answer) {
    SSL_set_fd(ssl_.get(), fd);
    nghttp2_session_callbacks* callbacks = nullptr;
    SLUICE_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0, "no memory");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &Connection::on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Connection::on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Connection::on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Connection::on_close);
    nghttp2_session* session = nullptr;
    SLUICE_CHECK(nghttp2_session_server_new(&session, callbacks, this) == 0, "no memory");
    session_.reset(session);
    nghttp2_session_callbacks_del(callbacks);
  }

  void run() {
    if (SSL_accept(ssl_.get()) != 1) return;
    nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, nullptr, 0);
    // What comes in is looked at between writes, too: windows, pings, cancelled calls.
    while (send_some() && (is_sending() ? !has_input() || receive_some() : receive_some())) {
    }
  }

 private:
  bool is_sending() const { return !out_.empty(); }

  bool has_input() {
    pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
    return SSL_pending(ssl_.get()) > 0 || ::poll(&entry, 1, 0) > 0;
  }

  // A buffer full, or all that may be sent now. False: the connection has ended.
  bool send_some() {
    out_.clear();
    while (out_.size() < kWriteBytes) {
      const std::uint8_t* bytes = nullptr;
      const ssize_t count = nghttp2_session_mem_send(session_.get(), &bytes);
      if (count < 0) return false;
      if (count == 0) break;
      out_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
    }
    return out_.empty() || SSL_write(ssl_.get(), out_.data(), static_cast<int>(out_.size())) > 0;
  }

  bool receive_some() {
    std::array<std::uint8_t, kReadBytes> in;
    const int count = SSL_read(ssl_.get(), in.data(), in.size());
    return count > 0 && nghttp2_session_mem_recv(session_.get(), in.data(),
                                                 static_cast<std::size_t>(count)) == count;
  }

  void answer(std::int32_t stream) {
    Call& call = calls_[stream];
    call.messages =
        answer_(call.path,
                std::string_view(call.request).substr(std::min(kPrefixBytes, call.request.size())));
    const std::array headers = {header(":status", "200"),
                                header("content-type", "application/grpc")};
    const nghttp2_data_provider body{.source = {.ptr = &call}, .read_callback = &on_room};
    nghttp2_submit_response(session_.get(), stream, headers.data(), headers.size(), &body);
  }

  static int on_header(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                       std::size_t value_size, std::uint8_t /*flags*/, void* self) {
    if (std::string_view(reinterpret_cast<const char*>(name), name_size) == ":path") {
      static_cast<Connection*>(self)->calls_[frame->hd.stream_id].path.assign(
          reinterpret_cast<const char*>(value), value_size);
    }
    return 0;
  }

  static int on_data(nghttp2_session* /*session*/, std::uint8_t /*flags*/, std::int32_t stream,
                     const std::uint8_t* bytes, std::size_t size, void* self) {
    static_cast<Connection*>(self)->calls_[stream].request.append(
        reinterpret_cast<const char*>(bytes), size);
    return 0;
  }

  static int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* self) {
    const bool can_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (can_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      static_cast<Connection*>(self)->answer(frame->hd.stream_id);
    }
    return 0;
  }

  static int on_close(nghttp2_session* /*session*/, std::int32_t stream, std::uint32_t /*error*/,
                      void* self) {
    static_cast<Connection*>(self)->calls_.erase(stream);
    return 0;
  }

  static ssize_t on_room(nghttp2_session* session, std::int32_t stream, std::uint8_t* into,
                         std::size_t room, std::uint32_t* flags, nghttp2_data_source* source,
                         void* /*self*/) {
    const std::size_t count = static_cast<Call*>(source->ptr)->take(into, room);
    if (count == 0) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const nghttp2_nv ok = header("grpc-status", "0");
      nghttp2_submit_trailer(session, stream, &ok, 1);
    }
    return static_cast<ssize_t>(count);
  }

  const std::unique_ptr<SSL, Free> ssl_;
  const int fd_;
  const Answer& answer_;
  std::map<std::int32_t, Call> calls_;  // outlives the session, which points into it
  std::unique_ptr<nghttp2_session, Free> session_;
  std::string out_;
};

int choose_protocol(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void* /*unused*/) {
  unsigned char* found = nullptr;
  const int result = nghttp2_select_next_protocol(&found, size, offered, offered_size);
  *chosen = found;
  return result == 1 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

Result<std::unique_ptr<SSL_CTX, Free>> make_context(const std::filesystem::path& certificates) {
  std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_server_method()));
  const bool loaded =
      SSL_CTX_use_certificate_chain_file(context.get(), (certificates / "auth.crt").c_str()) == 1 &&
      SSL_CTX_use_PrivateKey_file(context.get(), (certificates / "auth.key").c_str(),
                                  SSL_FILETYPE_PEM) == 1 &&
      SSL_CTX_load_verify_locations(context.get(), (certificates / "client-cas.crt").c_str(),
                                    nullptr) == 1;
  if (!loaded) {
    return fail(ErrorKind::kIo,
                "cannot load the server's certificates of " + certificates.string());
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_alpn_select_cb(context.get(), &choose_protocol, nullptr);
  return context;
}

}  // namespace

class GrpcBytesServer::Impl {
 public:
  Impl(std::unique_ptr<SSL_CTX, Free> context, Answer answer)
      : context_(std::move(context)), answer_(std::move(answer)) {}

  Result<void> start() {
    SLUICE_ASSIGN(server_, TcpServer::start(
                               [this](int fd) { Connection(context_.get(), fd, answer_).run(); }));
    return {};
  }

  int port() const { return server_->port(); }

 private:
  const std::unique_ptr<SSL_CTX, Free> context_;
  const Answer answer_;
  std::unique_ptr<TcpServer> server_;
};

Result<std::unique_ptr<GrpcBytesServer>> GrpcBytesServer::start(
    const std::filesystem::path& certificates, Answer answer) {
  SLUICE_ASSIGN(auto context, make_context(certificates));
  auto impl = std::make_unique<Impl>(std::move(context), std::move(answer));
  SLUICE_TRY(impl->start());
  return std::unique_ptr<GrpcBytesServer>(new GrpcBytesServer(std::move(impl)));
}

GrpcBytesServer::GrpcBytesServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcBytesServer::~GrpcBytesServer() = default;
int GrpcBytesServer::port() const { return impl_->port(); }

}  // namespace sluice::bench
