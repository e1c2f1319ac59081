// Where the parts of one instance are on disk, and the facts about this machine that bind them
// together.
//
//   ROOT/queue/db/        the queue's database           written by the fetcher only
//   ROOT/queue/repair/    what a repair has in the making
//   ROOT/queue/page       the fetcher's control page
//   ROOT/queue/lock       held (flock) by the one writer
//   ROOT/delivery/default/{db,lock}   positions, dead letters   written by the shipper only, 0700
//   ROOT/shipper/page     the shipper's control page     group-readable
//   ROOT/shipper/control.sock   where a running shipper takes requests   group-writable
#ifndef SLUICE_QUEUE_INSTANCE_H_
#define SLUICE_QUEUE_INSTANCE_H_

#include <filesystem>
#include <string>

#include "common/error.h"

namespace sluice::queue {

struct InstancePaths {
  std::filesystem::path root;

  std::filesystem::path queue() const { return root / "queue"; }
  std::filesystem::path queue_db() const { return queue() / "db"; }
  std::filesystem::path queue_repair() const { return queue() / "repair"; }  // while it is made
  std::filesystem::path queue_lock() const { return queue() / "lock"; }
  std::filesystem::path queue_ballast() const { return queue() / "ballast"; }
  std::filesystem::path fetcher_page() const { return queue() / "page"; }
  std::filesystem::path delivery() const { return root / "delivery"; }
  std::filesystem::path sink() const { return delivery() / "default"; }
  std::filesystem::path delivery_db() const { return sink() / "db"; }
  std::filesystem::path delivery_ballast() const { return sink() / "ballast"; }
  std::filesystem::path delivery_lock() const { return sink() / "lock"; }
  std::filesystem::path shipper() const { return root / "shipper"; }
  std::filesystem::path shipper_page() const { return shipper() / "page"; }
  std::filesystem::path control_socket() const { return shipper() / "control.sock"; }
};

// What identifies this machine and its present boot; empty where the system does not say (a
// container without /etc/machine-id), and then not compared.
struct Machine {
  std::string machine_id;
  std::string boot_id;
};
// SLUICE_BOOT_ID in the environment wins, for units that may not read /proc/sys.
Machine this_machine();

// kCannotCreate: `directory`, which must be there, is not on a local file system.
Result<void> check_local_file_system(const std::filesystem::path& directory);

// Makes `directory` with `mode` if its parent is there, and checks that it is a directory that this
// process can write to and that lies on a local file system (memory maps and locks do not work over
// the network).
Result<void> prepare_directory(const std::filesystem::path& directory, unsigned mode);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_INSTANCE_H_
