#include <fmt/format.h>

#include "common/http_header.h"
#include "common/secret_file.h"
#include "shipper/check/file_check.h"
#include "shipper/check/shipper_checks.h"
#include "shipper/fluentd/forward_handshake.h"

namespace sluice::shipper {
namespace {

constexpr const char* kSecrets = "secrets";

void look_at_file(const std::filesystem::path& file, std::string_view what,
                  const CheckContext& context, Findings* findings) {
  if (file.empty() || !can_open(file, context, kSecrets, findings)) return;
  const auto secret = read_secret_file(file, what, fluentd::kSecretFileBytesMax);
  findings->push_back(secret
                          ? with_readers(file, kSecrets, fmt::format("{} {}", what, file.string()))
                          : failure(kSecrets, secret.error()));
}

void look_at_header(const HttpHeader& header, const CheckContext& context, Findings* findings) {
  if (header.file.empty()) {
    const bool is_literal = header.credential.empty();
    findings->push_back(
        is_literal
            ? warning(kSecrets,
                      fmt::format("header {}: its value stands in the configuration itself",
                                  header.name),
                      "if it is a secret, put it into a file of its own and name that with file:")
            : not_looked_at(kSecrets, fmt::format("header {}: its value is a credential, which "
                                                  "systemd gives to the unit alone",
                                                  header.name)));
    return;
  }
  if (!can_open(header.file, context, kSecrets, findings)) return;
  const auto line = header_line(header);
  findings->push_back(
      line ? with_readers(header.file, kSecrets,
                          fmt::format("header {}: {}", header.name, header.file.string()))
           : failure(kSecrets, line.error()));
}

}  // namespace

void check_secrets(const CheckContext& context, Findings* findings) {
  const std::size_t before = findings->size();
  const FluentdConfig& config = context.config.fluentd;
  look_at_file(config.shared_key_file, "shared key", context, findings);
  look_at_file(config.password_file, "password", context, findings);
  for (const HttpHeader& header : context.config.shipper.headers) {
    look_at_header(header, context, findings);
  }
  if (findings->size() == before) {
    findings->push_back(found_ok(kSecrets, "none are set, besides the certificate's key"));
  }
}

}  // namespace sluice::shipper
