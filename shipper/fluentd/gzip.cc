#include "shipper/fluentd/gzip.h"

#include <limits>

#include "common/check.h"

namespace sluice::shipper::fluentd {
namespace {

constexpr int kGzipWindowBits = 15 + 16;  // zlib's largest window, in a gzip envelope
constexpr int kMemoryLevel = 8;           // zlib's own choice

}  // namespace

Gzip::Gzip() {
  const int code = deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kGzipWindowBits, kMemoryLevel,
                                Z_DEFAULT_STRATEGY);
  SLUICE_CHECK(code == Z_OK, "zlib must be able to make a state");
}

Gzip::~Gzip() { deflateEnd(&stream_); }

std::string Gzip::pack(std::string_view text) {
  SLUICE_CHECK(text.size() <= std::numeric_limits<uInt>::max() / 2,
               "a body must be small enough for zlib's counts");
  deflateReset(&stream_);
  std::string packed(deflateBound(&stream_, text.size()), '\0');
  // zlib does not write there; its type has no const unless asked for.
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream_.avail_in = static_cast<uInt>(text.size());
  stream_.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream_.avail_out = static_cast<uInt>(packed.size());
  const int code = deflate(&stream_, Z_FINISH);
  SLUICE_CHECK(code == Z_STREAM_END, "zlib's bound must hold for what it packs at once");
  packed.resize(packed.size() - stream_.avail_out);
  return packed;
}

}  // namespace sluice::shipper::fluentd
