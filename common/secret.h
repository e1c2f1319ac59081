// Text that must not stay in memory: what held it is overwritten when it goes.
//
// Copies are secrets of their own. Never to be logged: there is no way to print one.
#ifndef SLUICE_COMMON_SECRET_H_
#define SLUICE_COMMON_SECRET_H_

#include <openssl/crypto.h>

#include <string>
#include <string_view>
#include <utility>

namespace sluice {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) noexcept = default;
  Secret& operator=(const Secret& other) {
    if (this == &other) return *this;
    wipe();
    text_ = other.text_;
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    std::swap(text_, other.text_);
    return *this;
  }
  ~Secret() { wipe(); }

  std::string_view view() const { return text_; }
  bool operator==(const Secret&) const = default;

 private:
  void wipe() { OPENSSL_cleanse(text_.data(), text_.size()); }
  std::string text_;
};

}  // namespace sluice

#endif  // SLUICE_COMMON_SECRET_H_
