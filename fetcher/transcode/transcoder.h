// Turns an event's body from google.protobuf.Struct wire bytes into JSON text, without parsing it
// into messages first: that would cost ten times as much as everything else on an event's way.
//
// The text is one object, compact, with the keys of every object sorted bytewise, so that the same
// event gives the same bytes however Teleport ordered its map. Of a key that is there twice the
// last value counts, as for protobuf. Numbers are written as Go's encoder writes them
// (json_number.h); in strings only what JSON requires is escaped.
//
// What cannot be expressed as JSON is an error (kRejected, with the reason): malformed wire bytes,
// a Value without a kind or with two, NaN and the infinities, invalid UTF-8, more than kDepthMax
// levels. Unknown fields are skipped.
//
// One thread at a time; one Transcoder a thread. Buffers are kept from call to call, so that a
// Transcoder that has seen its largest event allocates no more.
#ifndef SLUICE_FETCHER_TRANSCODE_TRANSCODER_H_
#define SLUICE_FETCHER_TRANSCODE_TRANSCODER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace sluice::fetcher {

class Transcoder {
 public:
  static constexpr std::size_t kDepthMax = 100;

  // `wanted_keys`: top-level keys whose values, strings or booleans, the caller wants to know.
  explicit Transcoder(std::vector<std::string> wanted_keys);

  // The JSON text of a Struct; valid until the next call.
  Result<std::string_view> transcode(std::string_view struct_bytes);

  // After a successful transcode(): the string value of the wanted key with this index; nothing if
  // the event does not have it or it is not a string. Points into the bytes that were transcoded.
  std::optional<std::string_view> wanted(std::size_t index) const { return wanted_values_[index]; }
  // The same for a boolean value.
  std::optional<bool> wanted_bool(std::size_t index) const { return wanted_bools_[index]; }

 private:
  // A map entry of the objects that are being written, outermost first.
  struct Entry {
    std::string_view key;
    std::string_view value;   // a Value message
    std::uint64_t key_start;  // its first bytes, which mostly tell the order
    std::uint32_t place;      // in its map: tells apart entries with equal keys
  };

  bool write_struct(std::string_view bytes, std::size_t depth);
  bool write_list(std::string_view bytes, std::size_t depth);
  bool write_value(std::string_view bytes, std::size_t depth);
  bool write_number(double value);
  void write_string(std::string_view text);
  bool collect_entries(std::string_view struct_bytes);
  bool add_entry(std::string_view entry_bytes, std::uint32_t place);
  void note_wanted(const Entry& entry);
  bool reject(const char* reason);

  std::vector<std::string> wanted_keys_;
  std::vector<std::optional<std::string_view>> wanted_values_;
  std::vector<std::optional<bool>> wanted_bools_;
  std::vector<Entry> entries_;
  std::string json_;
  const char* reason_ = nullptr;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TRANSCODE_TRANSCODER_H_
