// The text of an old configuration file, in which paths are replaced and every other byte stays.
#ifndef SLUICE_ADOPT_OLD_CONFIG_H_
#define SLUICE_ADOPT_OLD_CONFIG_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice::adopt {

class OldConfig {
 public:
  struct Path {
    std::string value;  // as it is written, without its quotes
    std::size_t begin;  // of the value in the text, its quotes included
    std::size_t end;
  };

  // kConfig: it is no TOML.
  static Result<OldConfig> parse(std::string text);

  // Of each setting that is a path, by its name (common/settings.h), if the file has it.
  const std::map<std::string, Path>& paths() const { return paths_; }
  // Whether teleport.refresh.enabled is true.
  bool renews_identity() const { return renews_identity_; }

  // The text with other paths for some of them.
  std::string with(const std::map<std::string, std::string>& values) const;

 private:
  std::string text_;
  std::map<std::string, Path> paths_;
  bool renews_identity_ = false;
};

}  // namespace sluice::adopt

#endif  // SLUICE_ADOPT_OLD_CONFIG_H_
