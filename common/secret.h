// Text that must not stay in memory: what held it is overwritten when it goes, or has moved on.
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
  // `text` is empty afterwards, and overwritten.
  explicit Secret(std::string&& text) { take(&text); }
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept { take(&other.text_); }
  Secret& operator=(const Secret& other) {
    if (this == &other) return *this;
    wipe(&text_);
    text_ = other.text_;
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    std::swap(text_, other.text_);
    return *this;
  }
  ~Secret() { wipe(&text_); }

  std::string_view view() const { return text_; }
  bool operator==(const Secret&) const = default;

 private:
  // A short text stands in the string object itself, where moving it leaves a copy.
  void take(std::string* text) {
    text_.swap(*text);
    wipe(text);
  }
  static void wipe(std::string* text) {
    text->resize(text->capacity());
    OPENSSL_cleanse(text->data(), text->size());
    text->clear();
  }
  std::string text_;
};

}  // namespace sluice

#endif  // SLUICE_COMMON_SECRET_H_
