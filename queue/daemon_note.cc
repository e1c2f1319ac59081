#include "queue/daemon_note.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "common/backoff.h"
#include "common/check.h"
#include "common/owned_fd.h"
#include "common/process_note.h"
#include "common/time.h"
#include "queue/bytes.h"
#include "queue/crc32c.h"

namespace sluice::queue {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kAreaBegin = 2048;
constexpr std::size_t kSlotBytes = 1024;
constexpr std::size_t kHeadBytes = 4 + 4 + 8;  // checksum, length, generation
constexpr std::size_t kNoteBytesMax = kSlotBytes - kHeadBytes;
constexpr std::uint8_t kVersion = 1;
constexpr std::chrono::milliseconds kInterval{1000};

constexpr std::size_t kVersionBytesMax = 40;
constexpr std::size_t kStateBytesMax = 240;
constexpr std::size_t kProblemBytesMax = 400;
constexpr std::size_t kNameBytesMax = 16;
constexpr std::size_t kCertificatesMax = 6;
constexpr std::size_t kFixedBytes = 1 + 7 * 8 + 3 * 2 + 1;
static_assert(kFixedBytes + kVersionBytesMax + kStateBytesMax + kProblemBytesMax +
                  kCertificatesMax * (2 + kNameBytesMax + 8) <=
              kNoteBytesMax);

// Not in the middle of a character.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void put_text(std::string* out, std::string_view text, std::size_t bytes_max) {
  const std::string_view kept = cut(text, bytes_max);
  put_little(out, static_cast<std::uint16_t>(kept.size()));
  out->append(kept);
}

std::string take_text(ByteReader* reader) {
  return std::string(reader->bytes(reader->little<std::uint16_t>()));
}

struct Slot {
  std::uint64_t generation = 0;
  std::string bytes;
};

std::optional<Slot> decode_slot(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto checksum = reader.little<std::uint32_t>();
  const auto length = reader.little<std::uint32_t>();
  if (length > kNoteBytesMax) return std::nullopt;
  if (crc32c(bytes.substr(4, kHeadBytes - 4 + length)) != checksum) return std::nullopt;
  Slot slot;
  slot.generation = reader.little<std::uint64_t>();
  slot.bytes = reader.bytes(length);
  if (slot.generation == 0) return std::nullopt;
  return slot;
}

std::string encode_slot(std::uint64_t generation, std::string_view note) {
  std::string body;
  put_little(&body, static_cast<std::uint32_t>(note.size()));
  put_little(&body, generation);
  body.append(note);
  std::string slot;
  put_little(&slot, crc32c(body));
  return slot + body;
}

// The page's second half, through pread() and pwrite(): both go by the page cache that the mappings
// have, and a page that was cut short is an error, not a signal.
struct Area {
  OwnedFd file;

  std::optional<Slot> slot(std::size_t index) const {
    std::array<char, kSlotBytes> bytes{};
    const auto at = static_cast<off_t>(kAreaBegin + index * kSlotBytes);
    if (::pread(file.get(), bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size())) {
      return std::nullopt;
    }
    return decode_slot({bytes.data(), bytes.size()});
  }
  // The index of the newest one, and what is in it.
  std::optional<std::pair<std::size_t, Slot>> newest() const {
    auto first = slot(0);
    auto second = slot(1);
    if (second && (!first || second->generation > first->generation)) {
      return std::pair(std::size_t{1}, std::move(*second));
    }
    if (first) return std::pair(std::size_t{0}, std::move(*first));
    return std::nullopt;
  }
  void write(std::string_view note) const {
    const auto last = newest();
    const std::size_t index = last ? 1 - last->first : 0;
    const std::string slot = encode_slot(last ? last->second.generation + 1 : 1, note);
    SLUICE_CHECK(slot.size() <= kSlotBytes, "a note fits into a slot");
    [[maybe_unused]] const auto written = ::pwrite(
        file.get(), slot.data(), slot.size(), static_cast<off_t>(kAreaBegin + index * kSlotBytes));
  }
};

std::optional<Area> open_area(const std::filesystem::path& page, int flags) {
  Area area{OwnedFd(::open(page.c_str(), flags | O_CLOEXEC))};
  struct stat info{};
  const bool is_page = area.file.is_open() && ::fstat(area.file.get(), &info) == 0 &&
                       info.st_size >= static_cast<off_t>(kPageBytes);
  if (!is_page) return std::nullopt;
  return area;
}

std::optional<PerLane<Seq>> numbers_of(PageReader* page, PageRole role) {
  const auto payload = page->read();
  if (!payload) return std::nullopt;
  if (role == PageRole::kFetcher) {
    const auto values = decode_fetcher_page(*payload);
    if (values) return values->durable;
    return std::nullopt;
  }
  const auto values = decode_shipper_page(*payload);
  if (values) return values->position;
  return std::nullopt;
}

}  // namespace

std::string encode_daemon_note(const DaemonNote& note) {
  std::string bytes;
  put_little(&bytes, kVersion);
  for (const std::int64_t value :
       {note.pid, note.noted_ms, note.started_ms, note.state_since_ms, note.problem_ms}) {
    put_little(&bytes, static_cast<std::uint64_t>(value));
  }
  for (const Lane lane : kLanes) put_little(&bytes, note.rate_milli[lane]);
  put_text(&bytes, note.version, kVersionBytesMax);
  put_text(&bytes, note.state, kStateBytesMax);
  put_text(&bytes, note.problem, kProblemBytesMax);
  const std::size_t count = std::min(note.certificates.size(), kCertificatesMax);
  put_little(&bytes, static_cast<std::uint8_t>(count));
  std::size_t left = count;
  for (const auto& [whose, ends_ms] : note.certificates) {
    if (left-- == 0) break;
    put_text(&bytes, whose, kNameBytesMax);
    put_little(&bytes, static_cast<std::uint64_t>(ends_ms));
  }
  return bytes;
}

std::optional<DaemonNote> decode_daemon_note(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.little<std::uint8_t>() != kVersion) return std::nullopt;
  DaemonNote note;
  for (std::int64_t* value :
       {&note.pid, &note.noted_ms, &note.started_ms, &note.state_since_ms, &note.problem_ms}) {
    *value = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  }
  for (const Lane lane : kLanes) note.rate_milli[lane] = reader.little<std::uint64_t>();
  note.version = take_text(&reader);
  note.state = take_text(&reader);
  note.problem = take_text(&reader);
  const auto count = reader.little<std::uint8_t>();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    std::string whose = take_text(&reader);
    note.certificates[std::move(whose)] = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  }
  if (!reader.finished()) return std::nullopt;
  return note;
}

std::optional<DaemonNote> read_daemon_note(const std::filesystem::path& page) {
  const auto area = open_area(page, O_RDONLY);
  const auto newest = area ? area->newest() : std::nullopt;
  if (!newest) return std::nullopt;
  return decode_daemon_note(newest->second.bytes);
}

void RateGauge::add(std::int64_t at_ms, const PerLane<Seq>& numbers) {
  const auto goes_back = [&](Lane lane) {
    return !looks_.empty() && numbers[lane] < looks_.back().numbers[lane];
  };
  if (std::ranges::any_of(kLanes, goes_back)) looks_.clear();
  looks_.push_back({at_ms, numbers});
  const auto is_young = [&](const Look& look) { return at_ms - look.at_ms <= kSpanMs; };
  looks_.erase(looks_.begin(), std::ranges::find_if(looks_, is_young));
}

PerLane<std::uint64_t> RateGauge::rate_milli() const {
  PerLane<std::uint64_t> rate;
  if (looks_.size() < 2) return rate;
  const auto span_ms = static_cast<std::uint64_t>(looks_.back().at_ms - looks_.front().at_ms);
  if (span_ms == 0) return rate;
  for (const Lane lane : kLanes) {
    rate[lane] = (looks_.back().numbers[lane] - looks_.front().numbers[lane]) * 1'000'000 / span_ms;
  }
  return rate;
}

NoteKeeper::NoteKeeper(std::filesystem::path page, PageRole role)
    : page_(std::move(page)),
      role_(role),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

NoteKeeper::~NoteKeeper() = default;

void NoteKeeper::run(const std::stop_token& stop) {
  PageReader page(page_, role_);
  RateGauge gauge;
  for (bool goes_on = true; goes_on;) {
    goes_on = sleep_for(stop, kInterval);
    if (const auto numbers = numbers_of(&page, role_)) {
      gauge.add(system_clock().monotonic().count(), *numbers);
    }
    // Opened each time: the page may have been put aside, and made anew.
    const auto area = open_area(page_, O_RDWR);
    if (!area) continue;
    const ProcessNote own = process_note();
    area->write(encode_daemon_note({.pid = ::getpid(),
                                    .noted_ms = to_unix_ms(system_clock().now()),
                                    .started_ms = own.started_ms,
                                    .state_since_ms = own.state_since_ms,
                                    .problem_ms = own.problem_ms,
                                    .rate_milli = gauge.rate_milli(),
                                    .version = own.version,
                                    .state = own.state,
                                    .problem = own.problem,
                                    .certificates = own.certificates}));
  }
}

}  // namespace sluice::queue
