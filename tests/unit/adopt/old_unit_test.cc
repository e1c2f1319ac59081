#include "adopt/old_unit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/common/temp_folder.h"

namespace sluice::adopt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

OldUnit of(std::string_view text) {
  OldUnit unit;
  read_unit_text(text, &unit);
  return unit;
}

TEST(OldUnit, NamesItsConfigurationAndItsFolder) {
  const OldUnit unit =
      of("[Service]\n"
         "ExecStart=/usr/local/bin/teleport-event-handler start --config=/etc/teh.toml\n"
         "WorkingDirectory=/var/lib/teh\n"
         "Restart=always\n");
  EXPECT_EQ(unit.config, "/etc/teh.toml");
  EXPECT_EQ(unit.working_directory, "/var/lib/teh");
  EXPECT_THAT(unit.settings, IsEmpty());
}

TEST(OldUnit, MayHaveItsConfigurationInOtherForms) {
  EXPECT_EQ(of("ExecStart=teh start -c '/etc/a b.toml'").config, "/etc/a b.toml");
  EXPECT_EQ(of("ExecStart=teh start --config \\\n  /etc/teh.toml\n").config, "/etc/teh.toml");
  EXPECT_EQ(of("Environment=\"FDFWD_CONFIG=/etc/teh.toml\" X=1\nExecStart=teh start\n").config,
            "");  // a later ExecStart begins anew
  EXPECT_EQ(of("ExecStart=teh start\nEnvironment=FDFWD_CONFIG=/etc/teh.toml\n").config,
            "/etc/teh.toml");
  EXPECT_EQ(of("# ExecStart=teh start -c /no\n;ExecStart=teh start -c /no").config, "");
  EXPECT_EQ(of("ExecStart=teh start").working_directory, "/");
}

TEST(OldUnit, SaysWhichSettingsNoFileShows) {
  EXPECT_THAT(of("ExecStart=teh start -d --storage=/var/x --types a,b -c /etc/teh.toml\n"
                 "Environment=FDFWD_BATCH=5 HTTPS_PROXY=http://x FDWRD_FLUENTD_KEY=/k\n"
                 "EnvironmentFile=/etc/default/teh\n")
                  .settings,
              ElementsAre("-d", "--storage=/var/x", "--types a,b", "FDFWD_BATCH=5",
                          "FDWRD_FLUENTD_KEY=/k", "EnvironmentFile=/etc/default/teh"));
}

TEST(OldUnit, IsReadWithItsDropInFiles) {
  const TempFolder root;
  EXPECT_FALSE(read_old_unit(root.path(), "teh.service").value());
  std::filesystem::create_directories(root.path() / "etc/systemd/system/teh.service.d");
  std::filesystem::create_directories(root.path() / "lib/systemd/system");
  root.write("lib/systemd/system/teh.service", "ExecStart=teh start -c /lib.toml\n");
  EXPECT_EQ(read_old_unit(root.path(), "teh.service").value()->config, "/lib.toml");
  root.write("etc/systemd/system/teh.service", "ExecStart=teh start -c /etc.toml\n");
  EXPECT_EQ(read_old_unit(root.path(), "teh.service").value()->config, "/etc.toml");
  root.write("etc/systemd/system/teh.service.d/a.conf",
             "[Service]\nExecStart=\nExecStart=teh start -c /drop-in.toml\n");
  EXPECT_EQ(read_old_unit(root.path(), "teh.service").value()->config, "/drop-in.toml");
}

}  // namespace
}  // namespace sluice::adopt
