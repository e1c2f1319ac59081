// What proxies and load balancers answer before they pass bytes through:
// fetcher/teleport/http_head.
//
// The first byte says in how large pieces the rest arrives: however it is cut, the result is the
// same. What is read, written as a head again, reads the same.
#include <algorithm>
#include <cstddef>
#include <string>

#include "fetcher/teleport/http_head.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

using fetcher::HttpHead;
using fetcher::HttpHeadReader;
using State = HttpHeadReader::State;

struct Outcome {
  State state = State::kMore;
  HttpHead head;
  std::string rest;  // with what came in the pieces behind the head
};

Outcome read(std::string_view bytes, std::size_t piece) {
  HttpHeadReader reader;
  Outcome outcome;
  while (outcome.state == State::kMore && !bytes.empty()) {
    outcome.state = reader.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  outcome.head = reader.head();
  if (outcome.state == State::kDone) outcome.rest = std::string(reader.rest()).append(bytes);
  return outcome;
}

void expect_same(const HttpHead& one, const HttpHead& other, std::string_view sentence) {
  expect(one.status == other.status && one.reason == other.reason && one.fields == other.fields,
         sentence);
}

void check_head(const HttpHead& head) {
  expect(head.status >= 100 && head.status <= 999, "a status that there is not");
  std::size_t size = head.reason.size();
  for (const auto& [name, value] : head.fields) {
    expect(!name.empty() && name.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ:") == std::string::npos,
           "a field's name is not in lower case, or more than a name");
    expect((name + value).find("\r\n") == std::string::npos, "a field reaches over its line");
    size += name.size() + value.size();
  }
  expect(size <= HttpHeadReader::kBytesMax, "a head is larger than it may be");
}

void check_written_again(const HttpHead& head) {
  std::string text = "HTTP/1.1 " + std::to_string(head.status) + " " + head.reason + "\r\n";
  for (const auto& [name, value] : head.fields)
    text.append(name).append(":").append(value) += "\r\n";
  text += "\r\n";
  if (text.size() > HttpHeadReader::kBytesMax) return;
  const Outcome again = read(text, text.size());
  expect(again.state == State::kDone, "a head that was read is not read again");
  expect_same(head, again.head, "a head that was read reads another way again");
}

void run(std::string_view input) {
  if (input.empty()) return;
  const std::size_t piece = 1 + static_cast<unsigned char>(input[0]) % 32;
  input.remove_prefix(1);
  const Outcome whole = read(input, std::max<std::size_t>(input.size(), 1));
  const Outcome pieces = read(input, piece);
  expect(whole.state == pieces.state, "pieces of another size give another result");
  if (whole.state != State::kDone) return;
  expect_same(whole.head, pieces.head, "pieces of another size give another head");
  expect(whole.rest == pieces.rest, "pieces of another size give another rest");
  expect(input.ends_with(whole.rest), "the rest is not the end of what came");
  check_head(whole.head);
  check_written_again(whole.head);
}

std::vector<std::string> seeds() {
  // A head of exactly the size that is allowed, and one byte more.
  const std::string longest =
      "HTTP/1.1 200 OK\r\nA: " + std::string(HttpHeadReader::kBytesMax - 20, 'x');
  const std::string heads[] = {
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-Empty:\r\n"
      "Sec-WebSocket-Protocol:\t alpn \r\n\r\nrest",
      "HTTP/1.0 200\r\n\r\n",
      "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
      "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
      "SSH-2.0-Teleport\r\n\r\n",
      longest + "\r\n\r\nrest",
      longest + "x\r\n\r\nrest",
  };
  std::vector<std::string> seeds;
  for (const std::string& head : heads) {
    for (const char piece : {'\0', '\x06', '\x1F'}) seeds.push_back(piece + head);
  }
  return seeds;
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = nullptr, .bytes_max = 17U << 10};

}  // namespace sluice::fuzz
