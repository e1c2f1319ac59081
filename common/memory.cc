#include "common/memory.h"

#include <malloc.h>

namespace sluice {
namespace {

constexpr int kKeptBytes = 64 << 20;
constexpr int kOwnMappingBytes = 32 << 20;  // larger blocks do go back at once; glibc's maximum

}  // namespace

void keep_freed_memory() {
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  mallopt(M_MMAP_THRESHOLD, kOwnMappingBytes);
}

}  // namespace sluice
