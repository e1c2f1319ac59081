#include "shipper/check/file_check.h"

#include <fmt/format.h>

#include "common/credential.h"
#include "common/file_access.h"
#include "common/files.h"

namespace sluice::shipper {

bool can_open(const std::filesystem::path& file, const CheckContext& context, const char* check,
              Findings* findings) {
  if (const auto given = check_credential_given(file); !given) {
    findings->push_back(not_looked_at(
        check,
        fmt::format("{} is a credential, which systemd gives to the unit alone", file.string())));
    return false;
  }
  if (const auto readable = check_readable(file); !readable) {
    findings->push_back(cannot_open(context, check, readable.error()));
    return false;
  }
  return true;
}

Finding with_readers(const std::filesystem::path& file, const char* check, std::string text) {
  const auto access = file_access(file);
  if (!access) return found_ok(check, std::move(text));
  text += ", " + access->readers();
  if (!access->is_open_to_all()) return found_ok(check, std::move(text));
  return warning(check, std::move(text), fmt::format("chmod o= {}", file.string()));
}

}  // namespace sluice::shipper
