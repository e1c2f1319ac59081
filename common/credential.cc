#include "common/credential.h"

#include <fmt/format.h>

#include <cstdlib>

namespace sluice {

bool is_credential_name(std::string_view name) {
  return !name.empty() && name.find('/') == std::string_view::npos && name != "." && name != "..";
}

Result<std::filesystem::path> credential_file(std::string_view name) {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder == '\0') {
    return fail(ErrorKind::kConfig,
                fmt::format("the credential {0} is needed, but systemd has given none: add "
                            "LoadCredential={0}:FILE to the service, or name the file itself",
                            name));
  }
  return std::filesystem::path(folder) / name;
}

std::filesystem::path path_or_credential(std::string_view text,
                                         const std::filesystem::path& folder) {
  if (text.starts_with(kCredentialPrefix)) {
    const auto file = credential_file(text.substr(kCredentialPrefix.size()));
    return file ? *file : std::filesystem::path(text);
  }
  return (folder / text).lexically_normal();
}

Result<void> check_credential_given(const std::filesystem::path& path) {
  const std::string_view text = path.native();
  if (!text.starts_with(kCredentialPrefix)) return {};
  SLUICE_TRY(credential_file(text.substr(kCredentialPrefix.size())));
  return {};
}

}  // namespace sluice
