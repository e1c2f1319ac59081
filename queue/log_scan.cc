#include "queue/log_scan.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "queue/bytes.h"
#include "queue/crc32c.h"

namespace sluice::queue {
namespace {

constexpr std::size_t kBlockBytes = 32'768;
constexpr std::size_t kHeaderBytes = 4 + 2 + 1;                // checksum, length, type
constexpr std::size_t kRecyclableHeaderBytes = 4 + 2 + 1 + 4;  // and the log's number
constexpr std::size_t kBatchHeaderBytes = 8 + 4;               // sequence number, count

enum class Part { kFull, kFirst, kMiddle, kLast };

struct Fragment {
  Part part = Part::kFull;
  std::string_view bytes;
  std::size_t size_on_disk = 0;
};

// RocksDB stores checksums rotated and shifted, so that one over data that holds one is no
// special case.
std::uint32_t unmask(std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xa282ead8U;
  return (rotated >> 17) | (rotated << 15);
}

// What stands at the front of the block's rest.
enum class Found { kFragment, kEmpty, kDamage };

Found parse(std::string_view rest, Fragment* fragment) {
  if (rest.size() < kHeaderBytes) return Found::kEmpty;
  ByteReader reader(rest);
  const auto stored = reader.little<std::uint32_t>();
  const auto length = reader.little<std::uint16_t>();
  const auto type = reader.little<std::uint8_t>();
  if (type == 0 && length == 0 && stored == 0) return Found::kEmpty;  // allocated, not written
  const bool is_recyclable = type >= 5 && type <= 8;
  const std::size_t header = is_recyclable ? kRecyclableHeaderBytes : kHeaderBytes;
  const bool is_known = type >= 1 && type <= 8;
  if (!is_known || header + length > rest.size()) return Found::kDamage;
  // The checksum covers the type, the log's number if there is one, and the bytes.
  const std::string_view covered =
      rest.substr(kHeaderBytes - 1, header - kHeaderBytes + 1 + length);
  if (crc32c(covered) != unmask(stored)) return Found::kDamage;
  fragment->part = static_cast<Part>((type - 1) % 4);
  fragment->bytes = rest.substr(header, length);
  fragment->size_on_disk = header + length;
  return Found::kFragment;
}

class Scanner {
 public:
  explicit Scanner(const VisitBatch& visit) : visit_(visit) {}

  Result<void> block(std::string_view block) {
    while (!block.empty()) {
      Fragment fragment;
      const Found found = parse(block, &fragment);
      if (found == Found::kEmpty) break;
      if (found == Found::kDamage) {
        damage();
        // Where the next fragment begins is only known at the next block.
        break;
      }
      SLUICE_TRY(take(fragment));
      block.remove_prefix(fragment.size_on_disk);
    }
    return {};
  }

  LogScan finish() {
    scan_.torn_end = is_open_;
    return scan_;
  }

 private:
  void damage() {
    ++scan_.damaged_places;
    is_open_ = false;
    behind_damage_ = true;
  }

  Result<void> take(const Fragment& fragment) {
    const bool begins = fragment.part == Part::kFull || fragment.part == Part::kFirst;
    if (begins) {
      if (is_open_) damage();
      is_open_ = true;
      batch_.clear();
    }
    if (!is_open_) return {};  // the rest of a batch whose beginning is damaged
    batch_.append(fragment.bytes);
    if (fragment.part == Part::kFirst || fragment.part == Part::kMiddle) return {};
    is_open_ = false;
    if (batch_.size() < kBatchHeaderBytes) {
      damage();
      return {};
    }
    ++scan_.batches;
    return visit_(batch_, std::exchange(behind_damage_, false));
  }

  const VisitBatch& visit_;
  bool is_open_ = false;  // a batch is begun, and not yet whole
  bool behind_damage_ = false;
  std::string batch_;
  LogScan scan_;
};

}  // namespace

Result<LogScan> scan_log(const std::filesystem::path& path, const VisitBatch& visit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(errno_error("open", path.string()));
  Scanner scanner(visit);
  std::string block(kBlockBytes, '\0');
  while (file) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    const auto length = static_cast<std::size_t>(file.gcount());
    if (length == 0) break;
    SLUICE_TRY(scanner.block(std::string_view(block).substr(0, length)));
  }
  if (file.bad()) return fail(errno_error("read", path.string()));
  return scanner.finish();
}

}  // namespace sluice::queue
