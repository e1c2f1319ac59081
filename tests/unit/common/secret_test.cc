#include "common/secret.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {
namespace {

// Short enough to stand in the string object itself, which moving copies.
constexpr std::string_view kShort = "hush-hush";

class SecretTest : public testing::Test {
 protected:
  template <typename T>
  bool has_trace(const std::array<std::byte, sizeof(T)>& place) {
    const std::string_view bytes(reinterpret_cast<const char*>(place.data()), place.size());
    // An empty string ends at its first byte, which says nothing of the others.
    return bytes.find(kShort.substr(1)) != std::string_view::npos;
  }
};

TEST_F(SecretTest, LeavesNothingWhereItWasEvenIfItHasMovedOn) {
  alignas(Secret) std::array<std::byte, sizeof(Secret)> place{};
  auto* secret = std::construct_at(reinterpret_cast<Secret*>(place.data()), std::string(kShort));
  EXPECT_TRUE(has_trace<Secret>(place));
  const Secret other(std::move(*secret));
  EXPECT_EQ(other.view(), kShort);
  std::destroy_at(secret);
  EXPECT_FALSE(has_trace<Secret>(place));
}

TEST_F(SecretTest, LeavesNothingInTheStringThatItIsMadeOf) {
  alignas(std::string) std::array<std::byte, sizeof(std::string)> place{};
  auto* text = std::construct_at(reinterpret_cast<std::string*>(place.data()), kShort);
  const Secret secret(std::move(*text));
  EXPECT_EQ(secret.view(), kShort);
  EXPECT_FALSE(has_trace<std::string>(place));
  std::destroy_at(text);
}

TEST_F(SecretTest, CopiesAreSecretsOfTheirOwn) {
  Secret one(std::string("one"));
  Secret two(one);
  one = Secret(std::string("another"));
  EXPECT_EQ(two.view(), "one");
  two = one;
  EXPECT_EQ(two, one);
}

}  // namespace
}  // namespace sluice
