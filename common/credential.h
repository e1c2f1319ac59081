// Files that systemd gives to a service as credentials (LoadCredential=): "credential:NAME" in the
// configuration is the file NAME in $CREDENTIALS_DIRECTORY.
//
// No state, any thread (reads the environment).
#ifndef SLUICE_COMMON_CREDENTIAL_H_
#define SLUICE_COMMON_CREDENTIAL_H_

#include <filesystem>
#include <string_view>

#include "common/error.h"

namespace sluice {

inline constexpr std::string_view kCredentialPrefix = "credential:";

// Whether NAME can be a file's name.
bool is_credential_name(std::string_view name);

// The file of a credential. kConfig: systemd has given none at all; whether this one is there, only
// its reading shows.
Result<std::filesystem::path> credential_file(std::string_view name);

// The path that a setting's text means. Of a credential it is that of its file, or, where systemd
// has given none, the text as it is: a program may read the configuration without needing the file.
std::filesystem::path path_or_credential(std::string_view text,
                                         const std::filesystem::path& folder);

// kConfig: `path` came from path_or_credential() and there were no credentials.
Result<void> check_credential_given(const std::filesystem::path& path);

}  // namespace sluice

#endif  // SLUICE_COMMON_CREDENTIAL_H_
