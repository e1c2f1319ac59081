// Packs request bodies with gzip.
//
// Keeps one state of about 256 KiB for all of a lane's requests, which are packed one after the
// other. Its quickest level: the link is rarely what holds a lane up, and events are much alike.
// One thread.
#ifndef SLUICE_SHIPPER_FLUENTD_GZIP_H_
#define SLUICE_SHIPPER_FLUENTD_GZIP_H_

#include <zlib.h>

#include <string>
#include <string_view>

namespace sluice::shipper::fluentd {

class Gzip {
 public:
  Gzip();
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  std::string pack(std::string_view text);

 private:
  z_stream stream_{};
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_GZIP_H_
