// SLUICE_CHECK(condition, "what must hold"): an invariant, checked in release builds too.
//
// A broken invariant means that going on could lose or invent events, so the process aborts at
// once, which is for the queue the same as a kill -9: nothing that was synced is lost, and the unit
// restarts it.
#ifndef SLUICE_COMMON_CHECK_H_
#define SLUICE_COMMON_CHECK_H_

namespace sluice {

[[noreturn]] void check_failed(const char* file, int line, const char* condition, const char* what);

}  // namespace sluice

#define SLUICE_CHECK(condition, what)                               \
  do {                                                              \
    if (!(condition)) [[unlikely]] {                                \
      ::sluice::check_failed(__FILE__, __LINE__, #condition, what); \
    }                                                               \
  } while (false)

#endif  // SLUICE_COMMON_CHECK_H_
