// Transports of our own, over which OpenSSL sends and receives: how they are made, and the one over
// a socket.
//
// A transport belongs to the TLS session that is made with it. One thread at a time.
#ifndef SLUICE_FETCHER_TELEPORT_TRANSPORT_BIO_H_
#define SLUICE_FETCHER_TELEPORT_TRANSPORT_BIO_H_

#include "common/openssl_ptr.h"

namespace sluice::fetcher {

// What OpenSSL calls. `control` is also asked to flush (BIO_CTRL_FLUSH).
struct TransportCalls {
  int (*write)(BIO* bio, const char* bytes, int count);
  int (*read)(BIO* bio, char* into, int room);
  long (*control)(BIO* bio, int command, long number, void* pointer);
};

// To be made once and to outlive its transports. `name` is for people who debug.
OpensslPtr<BIO_METHOD> new_transport_kind(const char* name, const TransportCalls& calls);

// `data` is what BIO_get_data() gives to the calls.
OpensslPtr<BIO> new_transport(const BIO_METHOD* kind, void* data);

// Over a connected, non-blocking socket, which stays its owner's. Never raises SIGPIPE, as
// OpenSSL's own would when the peer has gone.
OpensslPtr<BIO> new_socket_transport(int fd);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_TRANSPORT_BIO_H_
