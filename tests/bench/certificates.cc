#include "tests/bench/certificates.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <string>

namespace sluice::bench {

Result<void> make_certificates(const std::filesystem::path& folder) {
  const std::string command =
      fmt::format("python3 '{}/certificates.py' '{}'", SLUICE_SUPPORT_SOURCE, folder.string());
  if (::system(command.c_str()) == 0) return {};
  return fail(ErrorKind::kCannotCreate, "cannot make certificates in " + folder.string());
}

}  // namespace sluice::bench
