// A measurement in a process of its own: its memory, processor time and bytes written are then its
// own, it can be killed, and what it leaves behind cannot disturb the next.
//
// The process that starts children has no other thread and never opens a database. A child dies
// with its parent, and is killed when its Child is destroyed.
#ifndef SLUICE_TESTS_BENCH_CHILD_H_
#define SLUICE_TESTS_BENCH_CHILD_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/error.h"

namespace sluice::bench {

// What a child found, by name: names are single words.
using Values = std::map<std::string, std::vector<double>>;

// The child's end of the line to its parent.
class Parent {
 public:
  Parent(int in, int out) : in_(in), out_(out) {}
  void send(const Values& values) const;
  // Sleeps until the parent calls Child::go_on().
  void wait() const;
  // Whether it has.
  bool says_go_on() const;

 private:
  int in_;
  int out_;
};

class Child {
 public:
  using Work = std::function<Result<void>(const Parent&)>;
  // `name` is for error messages.
  static Result<Child> start(std::string name, const Work& work);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  // What the child sends next; its error if it failed.
  Result<Values> receive();
  void go_on() const;
  // Waits for its end.
  Result<void> finish();
  // SIGKILL, and waits for its end.
  void kill();

 private:
  Child(std::string name, pid_t pid, int in, int out)
      : name_(std::move(name)), pid_(pid), in_(in), out_(out) {}
  std::string name_;
  pid_t pid_;
  int in_;
  int out_;
  std::string unread_;
};

// Runs a child that sends once, to its end.
Result<Values> run_child(std::string name, const Child::Work& work);

// What the kernel counts for this process.
double peak_resident_mib();
double bytes_written();  // that went to a disk, or will: /proc/self/io, write_bytes
double processor_seconds();

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_CHILD_H_
