#include "common/secret_file.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "common/files.h"

namespace sluice {

Result<Secret> read_secret_file(const std::filesystem::path& file, std::string_view what,
                                std::size_t bytes_max) {
  auto text = read_file(file, bytes_max);
  if (!text) {
    return fail(ErrorKind::kConfig, fmt::format("{}: the {} cannot be read; look at the path and "
                                                "at who may read it ({})",
                                                file.string(), what, text.error().message));
  }
  // In place, so that no copy is left behind.
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  Secret secret(std::move(*text));
  if (!secret.view().empty()) return secret;
  return fail(ErrorKind::kConfig,
              fmt::format("{}: the file is empty, but must hold the {}", file.string(), what));
}

}  // namespace sluice
