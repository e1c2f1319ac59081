// What a forward input says: shipper/fluentd/forward_message.
//
// The first byte is how the rest is cut. Messages come out the same however the bytes are cut, and
// are no larger than a server's may be; what they say stands in the bytes. An input without an end
// is given up.
#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "shipper/fluentd/forward_message.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

using namespace shipper::fluentd;

// The message in words that differ if it does.
std::string spell(const ServerMessage& message) {
  const auto part = [](const std::string& text) {
    return std::to_string(text.size()) + ":" + text;
  };
  if (const auto* helo = std::get_if<Helo>(&message)) {
    return "helo " + part(helo->nonce) + part(helo->auth_salt) + (helo->keepalive ? "k" : "c");
  }
  if (const auto* pong = std::get_if<Pong>(&message)) {
    return (pong->accepted ? "yes " : "no ") + part(pong->reason) + part(pong->server_hostname) +
           part(pong->digest);
  }
  return "ack " + part(std::get<Ack>(message).chunk);
}

void check_in_bytes(const std::string& said, std::string_view bytes) {
  expect(said.empty() || bytes.find(said) != std::string_view::npos,
         "a message says what is not in its bytes");
}

void check_message(const ServerMessage& message, std::string_view bytes) {
  if (const auto* helo = std::get_if<Helo>(&message)) {
    check_in_bytes(helo->nonce, bytes);
    check_in_bytes(helo->auth_salt, bytes);
  } else if (const auto* pong = std::get_if<Pong>(&message)) {
    check_in_bytes(pong->reason, bytes);
    check_in_bytes(pong->server_hostname, bytes);
    check_in_bytes(pong->digest, bytes);
  } else {
    check_in_bytes(std::get<Ack>(message).chunk, bytes);
  }
}

struct Taken {
  bool ok = true;
  std::vector<std::string> messages;
};

Taken take_all(std::string_view bytes, std::size_t piece) {
  Taken taken;
  std::string buffer;
  while (!bytes.empty()) {
    buffer += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    while (true) {
      const std::string before = buffer;
      const auto message = take_server_message(&buffer);
      if (!message) {
        taken.ok = false;
        return taken;
      }
      if (!*message) break;
      expect(buffer.size() < before.size() && before.ends_with(buffer),
             "more or less than a message is taken off the bytes");
      check_message(**message, std::string_view(before).substr(0, before.size() - buffer.size()));
      taken.messages.push_back(spell(**message));
    }
    expect(buffer.size() <= kServerMessageBytesMax + piece, "a message without an end is kept");
  }
  return taken;
}

void run(std::string_view input) {
  if (input.empty()) return;
  const std::size_t piece = 1 + static_cast<unsigned char>(input[0]) % 32;
  input.remove_prefix(1);
  const Taken whole = take_all(input, std::max<std::size_t>(input.size(), 1));
  const Taken cut = take_all(input, piece);
  expect(whole.ok == cut.ok && whole.messages == cut.messages,
         "pieces of another size give other messages");
}

std::vector<std::string> seeds() {
  using namespace std::string_literals;
  // Apart from what follows them, since a hexadecimal escape takes in every digit.
  const std::string auth = "\xa4"s + "auth" + "\xc4\x01s";
  const std::string ack = "\x81\xa3"s + "ack" + "\xb8";
  const std::string hello =
      "\x92\xa4HELO\x83\xa5nonce\xc4\x04\x00\x01\x02\xff"s + auth + "\xa9keepalive\xc3";
  const std::string welcome =
      "\x95\xa4PONG\xc3\xa0\xa6server\xd9\x20"s + "0123456789abcdef0123456789abcdef";
  const std::vector<std::string> messages = {hello,
                                             welcome,
                                             "\x95\xa4PONG\xc2\xa3why\xa0\xa0",
                                             ack + "AAECAwQFBgcICQoLDA0ODw==",
                                             "\x92\xa4HELO\x81\xa1x\x92\x91\x91\xc0\xc0",
                                             "HTTP/1.1 400 Bad Request\r\n"};
  std::string all;
  std::vector<std::string> seeds;
  for (const std::string& message : messages) {
    seeds.push_back("\x03" + message);
    all += message;
  }
  seeds.push_back("\x05" + all);
  return seeds;
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = nullptr, .bytes_max = 40'000};

}  // namespace sluice::fuzz
