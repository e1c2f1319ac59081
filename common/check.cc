#include "common/check.h"

#include <cstdio>
#include <cstdlib>

namespace sluice {

void check_failed(const char* file, int line, const char* condition, const char* what) {
  // stderr, not the logger: whatever is broken, this line must come out.
  std::fprintf(stderr, "%s:%d: invariant broken: %s (%s)\n", file, line, what, condition);
  std::abort();
}

}  // namespace sluice
