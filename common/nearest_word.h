// "Did you mean …": the known word that a misspelt one is most likely meant to be.
#ifndef SLUICE_COMMON_NEAREST_WORD_H_
#define SLUICE_COMMON_NEAREST_WORD_H_

#include <optional>
#include <span>
#include <string_view>

namespace sluice {

// Counts letters that are missing, added, replaced or swapped with their neighbour. Words may be
// dotted keys: if none is close, the only one whose last part is `word`'s last part is taken, since
// a key is often right and its table wrong. Nothing if no word is likely.
std::optional<std::string_view> nearest_word(std::string_view word,
                                             std::span<const std::string_view> known);

}  // namespace sluice

#endif  // SLUICE_COMMON_NEAREST_WORD_H_
