// A control page: 4 KiB of shared memory in a file, by which one daemon tells the other how far it
// is.
//
// It is the doorbell and the fast path; the databases are the truth. One process writes a page, any
// number read it. The page has two slots with a checksum each and the writer fills the one that is
// not current, so a writer that is killed anywhere leaves the last published values readable, and a
// torn page (power cut) reads as "not valid", never as wrong numbers. The file is rewritten in
// place and never replaced. docs/queue-format.md has the bytes.
//
// PageWriter: one thread at a time. PageReader: any threads. Values come out as they were published
// together.
#ifndef SLUICE_QUEUE_CONTROL_PAGE_H_
#define SLUICE_QUEUE_CONTROL_PAGE_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "queue/types.h"

namespace sluice::queue {

// On disk: never change the numbers.
enum class PageRole : std::uint32_t { kFetcher = 1, kShipper = 2 };

// What the fetcher's page says.
struct FetcherPage {
  Id128 queue_id;
  std::string boot_id;  // of the boot in which it was written; at most 40 bytes
  Epoch epoch;
  PerLane<Seq> durable;
  PerLane<Seq> floor;
};

// What the shipper's page says.
struct ShipperPage {
  Id128 delivery_id;
  Id128 queue_id;
  std::string boot_id;
  Epoch epoch;  // of the queue, to which the positions refer
  PerLane<Seq> position;
  PerLane<Seq> hold;                    // trim nothing from here on; kNoHold: no hold
  std::uint64_t crash_repeats_max = 0;  // how many events a crash of the shipper can send again
};
inline constexpr Seq kNoHold = ~Seq{0};

std::string encode_page(const FetcherPage& page);
std::string encode_page(const ShipperPage& page);
std::optional<FetcherPage> decode_fetcher_page(std::string_view payload);
std::optional<ShipperPage> decode_shipper_page(std::string_view payload);

class PageMapping;

class PageWriter {
 public:
  // Creates the file (0640) if it is not there. What an earlier process published stays until
  // publish().
  static Result<PageWriter> open(const std::filesystem::path& path, PageRole role);
  PageWriter(PageWriter&&) noexcept;
  PageWriter& operator=(PageWriter&&) noexcept;
  ~PageWriter();

  // What was last published, by this process or an earlier one; nothing if there is nothing valid.
  std::optional<std::string> last() const;
  // Replaces the published values and rings the doorbell.
  void publish(std::string_view payload);

 private:
  explicit PageWriter(std::unique_ptr<PageMapping> mapping);
  std::unique_ptr<PageMapping> mapping_;
};

class PageReader {
 public:
  PageReader(std::filesystem::path path, PageRole role);
  ~PageReader();

  // The published values; nothing when there is no page or it is not valid. Follows a page that was
  // deleted and made anew (it looks at the inode each time).
  std::optional<std::string> read();

  std::uint32_t doorbell();
  // Sleeps until a publish after `seen` was read, or the timeout. True: it rang.
  bool wait(std::uint32_t seen, std::chrono::milliseconds timeout);

 private:
  std::shared_ptr<PageMapping> mapping();
  std::filesystem::path path_;
  PageRole role_;
  std::mutex mutex_;
  std::shared_ptr<PageMapping> mapping_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_PAGE_H_
