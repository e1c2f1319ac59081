// A library to preload into a program whose clock is to step.
//
//   CLOCK_SWITCH_FILE  a file with a number of milliseconds, 8 bytes in the machine's own order,
//                      that the program's time of day is ahead of the system's; it may change at
//                      any moment
//
// Only the time of day steps; the clocks that count from the machine's start do not, as on a
// machine whose clock is set. What the kernel does at a time of day is not changed: a wait until
// one, and the times of files.
//
// Threads: any.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::int64_t* map_file() {
  const char* path = getenv("CLOCK_SWITCH_FILE");
  if (path == nullptr) return nullptr;
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) abort();
  void* address = mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (address == MAP_FAILED) abort();
  return static_cast<std::int64_t*>(address);
}

std::int64_t ahead_ms() {
  static std::int64_t* const value = map_file();
  if (value == nullptr) return 0;
  return std::atomic_ref<std::int64_t>(*value).load(std::memory_order_relaxed);
}

bool is_time_of_day(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

}  // namespace

// The standard library's calls that this library puts its own in place of.
extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const int status = static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  if (status != 0 || !is_time_of_day(clock)) return status;
  const std::int64_t ns = now->tv_sec * kNsPerSecond + now->tv_nsec + ahead_ms() * kNsPerMs;
  now->tv_sec = ns / kNsPerSecond;
  now->tv_nsec = ns % kNsPerSecond;
  return 0;
}

int gettimeofday(timeval* now, void* /*zone*/) noexcept {
  timespec precise{};
  const int status = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return status;
}

time_t time(time_t* result) noexcept {
  timespec precise{};
  clock_gettime(CLOCK_REALTIME, &precise);
  if (result != nullptr) *result = precise.tv_sec;
  return precise.tv_sec;
}

}  // extern "C"
