#include "queue/queuectl/control_access.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "queue/control/handler.h"
#include "queue/delivery_store.h"
#include "queue/file_lock.h"
#include "queue/folder_owner.h"

namespace sluice::queue {
namespace {

// A shipper that starts has the lock a moment before it listens.
constexpr int kTriesMax = 20;
constexpr std::chrono::milliseconds kTryPause{250};

Result<void> with_store(const InstancePaths& paths,
                        const std::function<Result<void>(ControlClient* client)>& use,
                        const QueueView* queue) {
  const uid_t caller = ::getuid();
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(paths.sink()));
  SLUICE_ASSIGN(const auto holder, FileLock::holder(paths.delivery_lock()));
  if (holder) {
    return fail(ErrorKind::kBusy,
                fmt::format("process {} uses the delivery store but does not answer at {}: if it "
                            "is a shipper that starts or ends, try again; else look at its log",
                            *holder, paths.control_socket().string()));
  }
  SLUICE_ASSIGN(const auto store,
                DeliveryStore::open(
                    {.paths = paths, .machine = this_machine(), .clock = nullptr, .env = nullptr}));
  if (queue != nullptr) SLUICE_TRY(store->reconcile(*queue));
  ControlHandler handler(store.get(), ::geteuid());
  ControlClient client([&](const std::string& request) -> Result<std::string> {
    return handler.handle(request, caller);
  });
  return use(&client);
}

}  // namespace

Result<void> with_control(const InstancePaths& paths,
                          const std::function<Result<void>(ControlClient* client)>& use,
                          const QueueView* queue) {
  for (int i = 1;; ++i) {
    auto client = ControlClient::connect(paths.control_socket());
    if (client) return use(&*client);
    if (client.error().kind != ErrorKind::kNotFound) return fail(client.error());
    bool was_used = false;
    const auto done = with_store(
        paths,
        [&](ControlClient* direct) {
          was_used = true;
          return use(direct);
        },
        queue);
    const bool may_pass = !was_used && !done && done.error().kind == ErrorKind::kBusy;
    if (!may_pass || i == kTriesMax) return done;
    std::this_thread::sleep_for(kTryPause);
  }
}

Result<std::vector<ReplayJob>> look_at_replays(Access* access) {
  auto client = ControlClient::connect(access->paths().control_socket());
  auto jobs = client ? client->replays() : access->replays();
  // A shipper that ends while it is asked leaves its store to be looked at.
  if (client && !jobs && jobs.error().kind == ErrorKind::kIo) return access->replays();
  return jobs;
}

Result<ReplayJob> look_at_replay(Access* access, std::uint64_t id) {
  auto client = ControlClient::connect(access->paths().control_socket());
  if (client) {
    auto job = client->replay(id);
    if (job || job.error().kind != ErrorKind::kIo) return job;
  }
  SLUICE_ASSIGN(auto jobs, access->replays());
  for (ReplayJob& job : jobs) {
    if (job.id == id) return std::move(job);
  }
  return fail(ErrorKind::kNotFound, fmt::format("there is no replay job {}", id));
}

}  // namespace sluice::queue
