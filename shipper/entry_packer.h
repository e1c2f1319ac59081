// Events as msgpack, in the form that the forward protocol's PackedForward mode has them: one after
// the other, each an array of its time and its record.
//
// The time is that of the event's member "time", to the nanosecond (EventTime, extension type 0);
// of a time that EventTime has no room for (before 1970, after 2106) the whole seconds, as an
// integer. The record has all members, "time" too. Integers of up to 64 bits stay integers, every
// other number becomes the double that is nearest to it: what Teleport sends are doubles.
//
// One thread. The events must be JSON objects of UTF-8, as those in a queue are (checked).
#ifndef SLUICE_SHIPPER_ENTRY_PACKER_H_
#define SLUICE_SHIPPER_ENTRY_PACKER_H_

#include <memory>
#include <string>

#include "queue/record.h"
#include "shipper/stamp.h"

namespace sluice::shipper {

class EntryPacker {
 public:
  EntryPacker();
  ~EntryPacker();
  EntryPacker(const EntryPacker&) = delete;
  EntryPacker& operator=(const EntryPacker&) = delete;

  // Appends the event's entry, with its stamp in the record.
  void append(const queue::StoredRecord& stored, const Stamp& stamp, std::string* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// How many bytes put_uint32() makes.
inline constexpr std::size_t kUint32Bytes = 5;

// `number` as msgpack's uint32, whatever its size.
void put_uint32(std::uint32_t number, std::string* out);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_ENTRY_PACKER_H_
