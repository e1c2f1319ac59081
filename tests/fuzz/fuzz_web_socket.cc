// What comes through a connection upgrade: fetcher/teleport/web_socket.
//
// The first byte says in how large pieces the rest arrives. However it is cut, the result must be
// that of a decoder which has all the bytes before it.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "fetcher/teleport/web_socket.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

using fetcher::append_frame;
using fetcher::WebSocketDecoder;
using fetcher::WebSocketOpcode;

struct Outcome {
  bool ok = true;
  bool closed = false;
  std::string payload;
  std::string replies;
  bool operator==(const Outcome&) const = default;
};

Outcome decode(std::string_view bytes, std::size_t piece) {
  WebSocketDecoder decoder;
  Outcome outcome;
  while (outcome.ok && !bytes.empty()) {
    outcome.ok = decoder.feed(bytes.substr(0, piece), &outcome.payload, &outcome.replies);
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  outcome.closed = decoder.closed();
  return outcome;
}

// A frame's header as RFC 6455 §5.2 draws it.
struct Header {
  unsigned opcode = 0;
  bool final = false;
  std::string mask = std::string(4, '\0');
  std::uint64_t length = 0;
  std::size_t size = 2;
};

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

// Nothing while bytes are missing.
std::optional<Header> read_header(std::string_view bytes) {
  Header header;
  if (bytes.size() < header.size) return std::nullopt;
  header.opcode = byte_at(bytes, 0) & 0x0FU;
  header.final = byte_at(bytes, 0) >= 0x80;
  header.length = byte_at(bytes, 1) & 0x7FU;
  const std::size_t more = header.length == 126 ? 2 : header.length == 127 ? 8 : 0;
  const bool masked = byte_at(bytes, 1) >= 0x80;
  if (bytes.size() < 2 + more + (masked ? 4 : 0)) return std::nullopt;
  if (more > 0) header.length = 0;
  for (; header.size < 2 + more; ++header.size) {
    header.length = header.length * 256 + byte_at(bytes, header.size);
  }
  if (masked) {
    header.mask = bytes.substr(header.size, 4);
    header.size += 4;
  }
  return header;
}

bool is_allowed(const Header& header, unsigned reserved) {
  const bool control = header.opcode == 8 || header.opcode == 9 || header.opcode == 10;
  if (reserved != 0 || header.length > 0x7FFF'FFFF'FFFF'FFFF) return false;
  if (control) return header.final && header.length <= 125;
  return header.opcode <= 2;
}

Outcome expected(std::string_view bytes) {
  Outcome outcome;
  while (const auto header = read_header(bytes)) {
    if (outcome.closed || !is_allowed(*header, byte_at(bytes, 0) & 0x70U)) break;
    std::string payload(bytes.substr(header->size, header->length));
    const bool whole = payload.size() == header->length;
    for (std::size_t i = 0; i < payload.size(); ++i) {
      payload[i] = static_cast<char>(payload[i] ^ header->mask[i % 4]);
    }
    if (header->opcode <= 2) outcome.payload += payload;
    if (!whole) return outcome;
    if (header->opcode == 9) append_frame(WebSocketOpcode::kPong, payload, &outcome.replies);
    if (header->opcode == 8) {
      outcome.closed = true;
      append_frame(WebSocketOpcode::kClose, payload.substr(0, 2), &outcome.replies);
    }
    bytes.remove_prefix(header->size + payload.size());
  }
  // Left over: a header that is not whole, which is fine before the end, or what must not be.
  outcome.ok = bytes.empty() || (!outcome.closed && !read_header(bytes));
  return outcome;
}

void check_own_frame(std::string_view payload) {
  std::string bytes;
  append_frame(WebSocketOpcode::kBinary, payload, &bytes);
  const Outcome outcome = decode(bytes, bytes.size());
  expect(outcome.ok && outcome.payload == payload, "an own frame is not read");
}

void run(std::string_view input) {
  if (input.empty()) return;
  const std::size_t piece = 1 + byte_at(input, 0) % 32;
  input.remove_prefix(1);
  const Outcome whole = decode(input, std::max<std::size_t>(input.size(), 1));
  expect(whole == decode(input, piece), "pieces of another size give another result");
  expect(whole == expected(input), "frames are not read as the standard has it");
  expect(whole.payload.size() <= input.size(), "more comes out than came in");
  check_own_frame(input);
}

// As a server sends them.
std::string frame(unsigned first, std::string_view payload, bool masked = false) {
  std::string bytes;
  append_frame(WebSocketOpcode::kBinary, payload, &bytes);
  bytes[0] = static_cast<char>(first);
  if (masked) return bytes;
  bytes[1] = static_cast<char>(bytes[1] & 0x7F);
  return bytes.erase(bytes.size() - payload.size() - 4, 4);
}

std::vector<std::string> seeds() {
  const std::string close("\x03\xE8", 2);
  std::vector<std::string> streams = {
      frame(0x82, "Hello"),
      frame(0x82, "Hello", true) + frame(0x89, "ping") + frame(0x8A, "pong"),
      frame(0x02, "Hel") + frame(0x89, "") + frame(0x00, "l") + frame(0x80, "o"),
      frame(0x82, std::string(126, 'x')) + frame(0x88, close),
      frame(0x82, std::string(1000, 'y'), true) + frame(0x88, ""),
      frame(0x88, close) + frame(0x82, "late"),
      frame(0x81, "") + frame(0x82, std::string(300, 'z')),
      std::string("\x82\xFF\0\0\0\0\0\0\0\x03\x01\x02\x03\x04xyz", 17),
  };
  std::vector<std::string> seeds;
  for (const std::string& stream : streams) {
    for (const char piece : {'\0', '\x06', '\x1F'}) seeds.push_back(piece + stream);
  }
  return seeds;
}

// Puts another frame somewhere.
std::string vary(std::string_view input, Random* random) {
  static constexpr unsigned kFirsts[] = {0x00, 0x01, 0x02, 0x80, 0x81, 0x82,
                                         0x88, 0x89, 0x8A, 0x09, 0xC2, 0x83};
  static constexpr std::size_t kSizes[] = {0, 1, 2, 4, 124, 125, 126, 127, 200};
  if (random->one_in(2)) return vary_bytes(input, random);
  std::string bytes(input);
  std::string payload(random->pick(kSizes), static_cast<char>('a' + random->below(26)));
  bytes.insert(random->one_in(2) ? bytes.size() : random->below(bytes.size() + 1),
               frame(random->pick(kFirsts), payload, random->one_in(2)));
  return bytes;
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = &vary, .bytes_max = 2048};

}  // namespace sluice::fuzz
