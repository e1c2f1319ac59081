// A header that requests carry besides those that are Sluice's own, such as one with a token.
//
// Written "NAME: VALUE". From its first word on that begins with "file:" or "credential:" the value
// is read from a file: "Authorization: Bearer file:/etc/sluice/token". A credential is a file of
// that name in the folder that systemd makes for the service ($CREDENTIALS_DIRECTORY).
//
// No sentence made here has the value in it. Any thread.
#ifndef SLUICE_COMMON_HTTP_HEADER_H_
#define SLUICE_COMMON_HTTP_HEADER_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice {

struct HttpHeader {
  std::string name;
  std::string value;  // all of it, or what comes before the text of the file or the credential
  std::filesystem::path file;
  std::string credential;
};

// Whether both name the same header: capitals do not count.
bool is_same_header(std::string_view a, std::string_view b);

// What a header's file may hold at most.
inline constexpr std::size_t kHeaderFileBytesMax = 16U << 10;

// `folder` is where relative paths start. kConfig: it is no header, or one that is Sluice's own;
// the message is the end of a sentence that begins with what was configured ("has …").
Result<HttpHeader> parse_http_header(std::string_view text, const std::filesystem::path& folder);

// Its whole line, "NAME: VALUE", with the file as it is now, without blanks and line ends around
// its text. kConfig: what the file holds is no header's value, or systemd has given no credentials.
// Otherwise as read_file().
Result<std::string> header_line(const HttpHeader& header);

}  // namespace sluice

#endif  // SLUICE_COMMON_HTTP_HEADER_H_
