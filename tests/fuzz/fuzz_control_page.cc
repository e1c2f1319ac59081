// What the daemons tell each other, and people, through shared memory: queue/control_page and
// queue/daemon_note.
//
// The first byte says whose page it is, or that it is a note. A page that is read, written again,
// reads the same.
#include <optional>
#include <string>

#include "queue/control_page.h"
#include "queue/daemon_note.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

using queue::FetcherPage;
using queue::Lane;
using queue::ShipperPage;

constexpr char kNote = 2;

// Written again twice: the first time a page of the release before becomes one of this.
template <typename Page, typename Decode>
void check(const Page& page, Decode decode) {
  const std::string once = encode_page(page);
  const auto again = decode(once);
  expect(again.has_value(), "a page that was read is not read again");
  expect(encode_page(*again) == once, "a page that was read reads another way again");
  expect(again->queue_id == page.queue_id && again->epoch == page.epoch &&
             again->boot_id == page.boot_id,
         "a page loses what it says");
}

// Texts that are too long for a page are cut when the note is written again, and never the second
// time.
void check_note(std::string_view payload) {
  const auto note = queue::decode_daemon_note(payload);
  if (!note) return;
  const auto once = queue::decode_daemon_note(queue::encode_daemon_note(*note));
  expect(once.has_value(), "a note that was read is not read again");
  const auto again = queue::decode_daemon_note(queue::encode_daemon_note(*once));
  expect(again == once, "a note that was cut is cut again");
  expect(once->pid == note->pid && once->problem_ms == note->problem_ms &&
             once->rate_milli == note->rate_milli,
         "a note loses what it says");
}

void run(std::string_view input) {
  if (input.empty()) return;
  const std::string_view payload = input.substr(1);
  if (input.front() == kNote) {
    check_note(payload);
  } else if (input.front() % 2 == 0) {
    const auto page = queue::decode_fetcher_page(payload);
    if (!page) return;
    check(*page, &queue::decode_fetcher_page);
    expect(encode_page(*page).size() == payload.size(), "a page has another size");
  } else {
    const auto page = queue::decode_shipper_page(payload);
    if (!page) return;
    check(*page, &queue::decode_shipper_page);
    const auto again = queue::decode_shipper_page(encode_page(*page));
    expect(again->position == page->position && again->hold == page->hold &&
               again->crash_repeats_max == page->crash_repeats_max &&
               again->delivery_id == page->delivery_id,
           "a shipper's page loses what it says");
  }
}

std::vector<std::string> seeds() {
  const std::string boot_id = "0c4b7b5e-6a1f-4a57-9d3e-1b2a3c4d5e6f";
  FetcherPage fetcher;
  fetcher.queue_id.bytes.fill(0xAB);
  fetcher.boot_id = boot_id;
  fetcher.epoch = {3, 0x1234};
  fetcher.durable = {1000, 20};
  fetcher.floor = {1, 2};
  ShipperPage shipper;
  shipper.delivery_id.bytes.fill(0xCD);
  shipper.queue_id = fetcher.queue_id;
  shipper.boot_id = boot_id;
  shipper.epoch = fetcher.epoch;
  shipper.position = {900, 20};
  shipper.hold = {queue::kNoHold, 7};
  shipper.crash_repeats_max = 4000;
  std::string first_release = encode_page(shipper);
  first_release[0] = 1;
  first_release.resize(first_release.size() - sizeof shipper.crash_repeats_max);
  queue::DaemonNote note;
  note.pid = 812;
  note.version = "1.0.0";
  note.state = "fetching";
  note.problem = "cannot reach Teleport: connection refused";
  note.certificates = {{"identity", 1'790'000'000'000}};
  return {std::string(1, kNote) + encode_daemon_note(note),
          std::string(1, '\0') + encode_page(fetcher), std::string(1, '\1') + encode_page(shipper),
          std::string(1, '\1') + first_release};
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = nullptr, .bytes_max = 1100};

}  // namespace sluice::fuzz
