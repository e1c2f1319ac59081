// The files of teleport-event-handler: fetcher/import/handler_state.
//
// The first byte says which kind of file the rest is. Whatever is in it, what is understood was
// there: names of chunks stand in it as whole lines, written again they are the same, and an index
// is never below zero nor behind what was written.
#include <cstdint>
#include <string>

#include "fetcher/import/handler_state.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

void check_chunks(std::string_view bytes) {
  bool is_cut = false;
  const auto names = fetcher::parse_completed_chunks(bytes, &is_cut);
  std::string again;
  const std::string lines = "\n" + std::string(bytes);
  for (const std::string& name : names) {
    expect(!name.empty() && name.find_first_of("/\n") == std::string::npos, "that is no name");
    expect(lines.find(name) != std::string::npos, "a chunk is named that is not in the file");
    again += name + "\n";
  }
  expect(is_cut || bytes.empty() || bytes.back() == '\n', "a line without an end is taken");
  expect(fetcher::parse_completed_chunks(again, &is_cut) == names && !is_cut,
         "names that were read are not read again");
}

void check_index(std::string_view bytes) {
  const auto index = fetcher::parse_session_index(bytes);
  if (!index) return;
  expect(*index >= 0, "an index below zero");
  std::string again;
  for (int shift = 56; shift >= 0; shift -= 8) {
    again.push_back(static_cast<char>(*index >> shift));
  }
  expect(bytes.empty() ? *index == 0 : again == bytes, "another index than is written");
}

void check_missing(std::string_view bytes) {
  const auto index = fetcher::parse_missing_recording(bytes);
  if (!index) return;
  expect(*index >= 0, "an index below zero");
  expect(bytes.find("\"Index\"") != std::string_view::npos ||
             bytes.find('\\') != std::string_view::npos,
         "an index is read that is not named");
}

void run(std::string_view input) {
  if (input.empty()) return;
  const auto kind = static_cast<unsigned char>(input[0]) % 3;
  input.remove_prefix(1);
  if (kind == 0) check_chunks(input);
  if (kind == 1) check_index(input);
  if (kind == 2) check_missing(input);
}

std::vector<std::string> seeds() {
  using std::string_literals::operator""s;
  return {
      "\0a\nb c\r\n\n d \n/x\ncut"s,
      "\0d2f1-77\nd2f1-78\n"s,
      "\1"s,
      "\1\0\0\0\0\0\0\1\2"s,
      "\1\x80\0\0\0\0\0\0\0"s,
      "\2{\"Index\":7,\"Attempt\":2,\"Timestamp\":\"2026-11-20T10:00:00.5Z\"}"s,
      "\2{\"id\":\"x\",\"Index\":-1,\"Index\":18446744073709551615}"s,
      "\2[{\"Index\":1.5}]"s,
  };
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = nullptr, .bytes_max = 4096};

}  // namespace sluice::fuzz
