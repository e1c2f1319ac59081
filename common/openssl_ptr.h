// Owners of what OpenSSL makes. To be included in .cc files and internal headers only.
#ifndef SLUICE_COMMON_OPENSSL_PTR_H_
#define SLUICE_COMMON_OPENSSL_PTR_H_

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>

namespace sluice {

struct OpensslFree {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <typename T>
using OpensslPtr = std::unique_ptr<T, OpensslFree>;

// Reads `text`, which must outlive it.
inline OpensslPtr<BIO> bio_reading(std::string_view text) {
  return OpensslPtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

}  // namespace sluice

#endif  // SLUICE_COMMON_OPENSSL_PTR_H_
