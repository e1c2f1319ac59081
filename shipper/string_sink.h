// A string as what msgpack's packer writes to. Value type; one thread at a time.
#ifndef SLUICE_SHIPPER_STRING_SINK_H_
#define SLUICE_SHIPPER_STRING_SINK_H_

#include <cstddef>
#include <string>

namespace sluice::shipper {

// `out` must outlive it.
class StringSink {
 public:
  explicit StringSink(std::string* out) : out_(out) {}
  void write(const char* data, std::size_t size) { out_->append(data, size); }

 private:
  std::string* out_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_STRING_SINK_H_
