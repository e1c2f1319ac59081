#include "queue/control_page.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <cstring>
#include <ctime>
#include <thread>
#include <utility>

#include "common/check.h"
#include "common/owned_fd.h"
#include "queue/bytes.h"
#include "queue/crc32c.h"
#include "queue/key_parts.h"

namespace sluice::queue {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::uint64_t kMagic = 0x47502d4543494c53;  // "SLICE-PG" as little-endian bytes
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kSlotWords = 64;
constexpr std::size_t kSlotBytes = kSlotWords * sizeof(std::uint64_t);
constexpr std::size_t kSlotHeaderBytes = 4 + 4 + 8;  // checksum, length, generation
constexpr std::size_t kPayloadBytesMax = kSlotBytes - kSlotHeaderBytes;
constexpr std::size_t kBootIdBytes = 40;
constexpr std::uint8_t kPayloadVersion = 1;
constexpr std::uint8_t kShipperPayloadVersion = 2;

using Slot = std::array<std::uint64_t, kSlotWords>;

// The file's bytes. Words are accessed atomically, since the other process may write them at any
// moment.
struct Layout {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t role;
  std::uint32_t doorbell;
  std::uint32_t current;  // which slot is valid
  std::array<std::uint64_t, 125> reserved;
  std::array<Slot, 2> slots;
  std::array<std::uint64_t, 256> unused;
};
static_assert(sizeof(Layout) == kPageBytes);
static_assert(offsetof(Layout, slots) == 1024);

template <typename T>
T load(const T& word, std::memory_order order) {
  return std::atomic_ref<T>(const_cast<T&>(word)).load(order);
}
template <typename T>
void store(T* word, T value, std::memory_order order) {
  std::atomic_ref<T>(*word).store(value, order);
}

long futex(std::uint32_t* word, int operation, std::uint32_t value, const timespec* timeout) {
  return ::syscall(SYS_futex, word, operation, value, timeout, nullptr, 0);
}

// checksum u32 | length u32 | generation u64 | payload
std::string encode_slot(std::uint64_t generation, std::string_view payload) {
  std::string body;
  put_little(&body, static_cast<std::uint32_t>(payload.size()));
  put_little(&body, generation);
  body.append(payload);
  std::string slot;
  put_little(&slot, crc32c(body));
  return slot + body;
}

struct SlotContent {
  std::uint64_t generation = 0;
  std::string payload;
};

std::optional<SlotContent> decode_slot(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto checksum = reader.little<std::uint32_t>();
  const auto length = reader.little<std::uint32_t>();
  if (length > kPayloadBytesMax) return std::nullopt;
  if (crc32c(bytes.substr(4, kSlotHeaderBytes - 4 + length)) != checksum) return std::nullopt;
  SlotContent content;
  content.generation = reader.little<std::uint64_t>();
  content.payload = reader.bytes(length);
  return content;
}

}  // namespace

// The mapped file. Unmapped and closed when destroyed.
class PageMapping {
 public:
  PageMapping(OwnedFd file, bool writable) : file_(std::move(file)) {
    void* address = ::mmap(nullptr, kPageBytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                           MAP_SHARED, file_.get(), 0);
    page_ = address == MAP_FAILED ? nullptr : static_cast<Layout*>(address);
    struct stat info{};
    if (::fstat(file_.get(), &info) == 0) inode_ = {info.st_dev, info.st_ino};
  }
  PageMapping(const PageMapping&) = delete;
  PageMapping& operator=(const PageMapping&) = delete;
  ~PageMapping() {
    if (page_ != nullptr) ::munmap(page_, kPageBytes);
  }

  Layout* page() const { return page_; }
  bool is_same_file(const struct stat& info) const {
    return inode_ == std::pair(info.st_dev, info.st_ino);
  }

  std::optional<SlotContent> read(PageRole role) const {
    if (page_->magic != kMagic || page_->version != kVersion ||
        page_->role != static_cast<std::uint32_t>(role)) {
      return std::nullopt;
    }
    // A slot is torn only while its writer fills it, which is when it is not current: reading it
    // again finds the new current one. A page that stays torn was torn by a power cut.
    constexpr int kTriesMax = 1000;
    for (int i = 0; i < kTriesMax; ++i) {
      const std::uint32_t current = load(page_->current, std::memory_order_acquire) % 2;
      if (auto content = decode_slot(copy_slot(current))) return content;
      std::this_thread::yield();
    }
    return std::nullopt;
  }

  void publish(PageRole role, std::string_view payload) {
    SLUICE_CHECK(payload.size() <= kPayloadBytesMax, "a page's values fit into a slot");
    const auto last = read(role);
    const std::uint32_t next = (load(page_->current, std::memory_order_relaxed) + 1) % 2;
    fill_slot(next, encode_slot(last ? last->generation + 1 : 1, payload));
    page_->magic = kMagic;
    page_->version = kVersion;
    page_->role = static_cast<std::uint32_t>(role);
    store(&page_->current, next, std::memory_order_release);
    std::atomic_ref<std::uint32_t>(page_->doorbell).fetch_add(1, std::memory_order_seq_cst);
    // Who publishes here and then reads the other page sees what was published there before, or is
    // seen by it: holds and floors are settled this way.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    futex(&page_->doorbell, FUTEX_WAKE, INT_MAX, nullptr);
  }

 private:
  std::string copy_slot(std::uint32_t index) const {
    Slot copy{};
    for (std::size_t i = 0; i < kSlotWords; ++i) {
      copy[i] = load(page_->slots[index][i], std::memory_order_relaxed);
    }
    return {reinterpret_cast<const char*>(copy.data()), kSlotBytes};
  }
  void fill_slot(std::uint32_t index, std::string_view bytes) {
    Slot words{};
    std::memcpy(words.data(), bytes.data(), bytes.size());
    for (std::size_t i = 0; i < kSlotWords; ++i) {
      store(&page_->slots[index][i], words[i], std::memory_order_relaxed);
    }
  }

  OwnedFd file_;
  Layout* page_ = nullptr;
  std::pair<dev_t, ino_t> inode_{};
};

Result<PageWriter> PageWriter::open(const std::filesystem::path& path, PageRole role) {
  OwnedFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!file.is_open()) return fail(errno_error("open the control page", path.string()));
  // Real blocks, not a hole: a write to a hole on a full disk would kill the process (SIGBUS).
  if (const int status = ::posix_fallocate(file.get(), 0, kPageBytes); status != 0) {
    errno = status;
    return fail(errno_error("make room for the control page", path.string()));
  }
  auto mapping = std::make_unique<PageMapping>(std::move(file), true);
  if (mapping->page() == nullptr) return fail(errno_error("map", path.string()));
  mapping->page()->role = static_cast<std::uint32_t>(role);
  return PageWriter(std::move(mapping));
}

PageWriter::PageWriter(std::unique_ptr<PageMapping> mapping) : mapping_(std::move(mapping)) {}
PageWriter::PageWriter(PageWriter&&) noexcept = default;
PageWriter& PageWriter::operator=(PageWriter&&) noexcept = default;
PageWriter::~PageWriter() = default;

std::optional<std::string> PageWriter::last() const {
  auto content = mapping_->read(static_cast<PageRole>(mapping_->page()->role));
  if (!content) return std::nullopt;
  return std::move(content->payload);
}

void PageWriter::publish(std::string_view payload) {
  mapping_->publish(static_cast<PageRole>(mapping_->page()->role), payload);
}

PageReader::PageReader(std::filesystem::path path, PageRole role)
    : path_(std::move(path)), role_(role) {}
PageReader::~PageReader() = default;

std::shared_ptr<PageMapping> PageReader::mapping() {
  const std::lock_guard lock(mutex_);
  struct stat info{};
  // A file that is too short must not be mapped: reading beyond its end kills the process (SIGBUS).
  if (::stat(path_.c_str(), &info) != 0 || info.st_size < static_cast<off_t>(kPageBytes)) {
    mapping_.reset();
    return nullptr;
  }
  if (mapping_ != nullptr && mapping_->is_same_file(info)) return mapping_;
  mapping_.reset();
  OwnedFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return nullptr;
  auto fresh = std::make_shared<PageMapping>(std::move(file), false);
  if (fresh->page() == nullptr) return nullptr;
  mapping_ = fresh;
  return fresh;
}

std::optional<std::string> PageReader::read() {
  const auto page = mapping();
  if (page == nullptr) return std::nullopt;
  auto content = page->read(role_);
  if (!content) return std::nullopt;
  return std::move(content->payload);
}

std::uint32_t PageReader::doorbell() {
  const auto page = mapping();
  return page == nullptr ? 0 : load(page->page()->doorbell, std::memory_order_seq_cst);
}

bool PageReader::wait(std::uint32_t seen, std::chrono::milliseconds timeout) {
  const auto page = mapping();
  if (page == nullptr) {
    std::this_thread::sleep_for(timeout);
    return false;
  }
  const timespec limit{timeout.count() / 1000, timeout.count() % 1000 * 1'000'000};
  futex(&page->page()->doorbell, FUTEX_WAIT, seen, &limit);
  return load(page->page()->doorbell, std::memory_order_seq_cst) != seen;
}

namespace {

void put_boot_id(std::string* out, std::string_view boot_id) {
  std::string fixed(boot_id.substr(0, kBootIdBytes));
  fixed.resize(kBootIdBytes, '\0');
  out->append(fixed);
}
std::string take_boot_id(ByteReader* reader) {
  const std::string_view fixed = reader->bytes(kBootIdBytes);
  return std::string(fixed.substr(0, fixed.find('\0')));
}
void put_epoch(std::string* out, const Epoch& epoch) {
  put_little(out, epoch.number);
  put_little(out, epoch.nonce);
}
Epoch take_epoch(ByteReader* reader) {
  Epoch epoch;
  epoch.number = reader->little<std::uint64_t>();
  epoch.nonce = reader->little<std::uint64_t>();
  return epoch;
}
void put_lanes(std::string* out, const PerLane<Seq>& numbers) {
  for (const Lane lane : kLanes) put_little(out, numbers[lane]);
}
PerLane<Seq> take_lanes(ByteReader* reader) {
  PerLane<Seq> numbers;
  for (const Lane lane : kLanes) numbers[lane] = reader->little<Seq>();
  return numbers;
}

}  // namespace

std::string encode_page(const FetcherPage& page) {
  std::string payload;
  put_little(&payload, kPayloadVersion);
  payload += id_bytes(page.queue_id);
  put_boot_id(&payload, page.boot_id);
  put_epoch(&payload, page.epoch);
  put_lanes(&payload, page.durable);
  put_lanes(&payload, page.floor);
  return payload;
}

std::string encode_page(const ShipperPage& page) {
  std::string payload;
  put_little(&payload, kShipperPayloadVersion);
  payload += id_bytes(page.delivery_id);
  payload += id_bytes(page.queue_id);
  put_boot_id(&payload, page.boot_id);
  put_epoch(&payload, page.epoch);
  put_lanes(&payload, page.position);
  put_lanes(&payload, page.hold);
  put_little(&payload, page.crash_repeats_max);
  return payload;
}

std::optional<FetcherPage> decode_fetcher_page(std::string_view payload) {
  ByteReader reader(payload);
  if (reader.little<std::uint8_t>() != kPayloadVersion) return std::nullopt;
  FetcherPage page;
  page.queue_id = take_id(&reader);
  page.boot_id = take_boot_id(&reader);
  page.epoch = take_epoch(&reader);
  page.durable = take_lanes(&reader);
  page.floor = take_lanes(&reader);
  if (!reader.finished()) return std::nullopt;
  return page;
}

std::optional<ShipperPage> decode_shipper_page(std::string_view payload) {
  ByteReader reader(payload);
  const auto version = reader.little<std::uint8_t>();
  // The release before this one wrote pages of version 1, which lack the last number.
  if (version != 1 && version != kShipperPayloadVersion) return std::nullopt;
  ShipperPage page;
  page.delivery_id = take_id(&reader);
  page.queue_id = take_id(&reader);
  page.boot_id = take_boot_id(&reader);
  page.epoch = take_epoch(&reader);
  page.position = take_lanes(&reader);
  page.hold = take_lanes(&reader);
  if (version != 1) page.crash_repeats_max = reader.little<std::uint64_t>();
  if (!reader.finished()) return std::nullopt;
  return page;
}

}  // namespace sluice::queue
