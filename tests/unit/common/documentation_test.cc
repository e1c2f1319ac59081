// The documents and the code say the same.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/files.h"
#include "common/settings.h"

namespace sluice {
namespace {

using testing::Contains;

// The rows of all tables in docs/NAME that begin with something in code style.
std::vector<std::string> rows_of(std::string_view name) {
  const auto text = read_file(fmt::format("{}/docs/{}", SLUICE_SOURCE_DIR, name), 1 << 20);
  EXPECT_TRUE(text) << text.error().message;
  std::vector<std::string> rows;
  std::istringstream lines(text.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| `")) rows.push_back(line);
  }
  return rows;
}

TEST(ExitCodesDocument, HasEveryKindOfErrorWithItsStatusAndNoOther) {
  const std::vector<std::string> rows = rows_of("exit-codes.md");
  constexpr int kKinds = static_cast<int>(ErrorKind::kInternal) + 1;
  std::set<std::string> names;
  for (int i = 0; i < kKinds; ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    names.emplace(name_of(kind));
    const std::string start = fmt::format("| `{}` | {} | ", name_of(kind), exit_status(kind));
    EXPECT_THAT(rows, Contains(testing::StartsWith(start)));
  }
  EXPECT_EQ(names.size(), std::size_t{kKinds});
  EXPECT_EQ(rows.size(), std::size_t{kKinds});
}

TEST(Settings, HaveTheirDocumentedKeyAmongThoseThatAreRead) {
  for (const Setting& setting : settings()) {
    if (setting.key.empty()) continue;
    EXPECT_THAT(file_keys(setting), Contains(std::string(setting.key)));
  }
}

TEST(Settings, ShareNoNameKeyOrEnvironmentVariable) {
  std::set<std::string> seen;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(seen.insert("--" + std::string(setting.name)).second) << setting.name;
    for (const auto& key : file_keys(setting)) EXPECT_TRUE(seen.insert(key).second) << key;
    for (const auto& name : environment_names(setting)) {
      EXPECT_TRUE(seen.insert("$" + name).second) << name;
    }
  }
}

}  // namespace
}  // namespace sluice
