#include "common/base64.h"

#include <openssl/evp.h>

#include <cstddef>

#include "common/check.h"

namespace sluice {

std::string base64(std::string_view bytes) {
  // OpenSSL counts in int, also what it makes, which is a third more.
  SLUICE_CHECK(bytes.size() <= std::size_t{1} << 30, "what is put into base64 has 1 GiB at most");
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // it ends what it makes with a zero
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

}  // namespace sluice
