// A gRPC server that sends messages as bytes and costs as little as it can: nghttp2 over OpenSSL.
//
// gRPC's own server spends more on a message than the fetcher that is to be measured. Like a server
// in Go, this one puts each message into frames of its own and fills a buffer of 32 KiB before it
// writes. HTTP/2 with TLS, and only to clients with a certificate. A thread for each connection,
// one that accepts.
#ifndef SLUICE_TESTS_BENCH_GRPC_BYTES_SERVER_H_
#define SLUICE_TESTS_BENCH_GRPC_BYTES_SERVER_H_

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice::bench {

// The messages that answer one call.
class Messages {
 public:
  virtual ~Messages() = default;
  // Puts the next one into *message. False: there is none.
  virtual bool next(std::string* message) = 0;
};

// The answer to a call of that path. From any connection's thread.
using Answer =
    std::function<std::unique_ptr<Messages>(std::string_view path, std::string_view request)>;

class GrpcBytesServer {
 public:
  // On a free port of 127.0.0.1, with the certificates that tests/support/certificates.py made.
  static Result<std::unique_ptr<GrpcBytesServer>> start(const std::filesystem::path& certificates,
                                                        Answer answer);
  // Ends all connections.
  ~GrpcBytesServer();
  GrpcBytesServer(const GrpcBytesServer&) = delete;
  GrpcBytesServer& operator=(const GrpcBytesServer&) = delete;

  int port() const;

 private:
  class Impl;
  explicit GrpcBytesServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_GRPC_BYTES_SERVER_H_
