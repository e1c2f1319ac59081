// The hidden subcommand `describe` of each program: its command line and the table of all settings,
// as JSON. The build makes the man pages, the shells' completions and docs/configuration.md of it
// (cmake/), so that none of them can say something else than the programs do.
#ifndef SLUICE_COMMON_DESCRIBE_H_
#define SLUICE_COMMON_DESCRIBE_H_

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace sluice {

// Declares it; --help does not show it.
CLI::App* add_describe_command(CLI::App* app);

// `app` with all its options and subcommands, but those that --help does not show.
std::string describe_program(const CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_COMMON_DESCRIBE_H_
