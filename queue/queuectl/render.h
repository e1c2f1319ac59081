// Turns what queuectl found into text: tables for people, JSON for programs. Pure.
#ifndef SLUICE_QUEUE_QUEUECTL_RENDER_H_
#define SLUICE_QUEUE_QUEUECTL_RENDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/time.h"
#include "queue/ledger.h"
#include "queue/record.h"
#include "queue/types.h"

namespace sluice::queue {

// Columns as wide as their widest cell: the first `left_columns` to the left, all others to the
// right. Cells may hold anything: what would command a terminal is not printed.
class Table {
 public:
  explicit Table(std::vector<std::string> header, std::size_t left_columns = 1);
  void add(std::vector<std::string> cells);  // as many as the header has
  std::string text() const;

 private:
  std::size_t left_columns_;
  std::vector<std::vector<std::string>> rows_;
};

// 48201340 as "48,201,340".
std::string with_thousands(std::uint64_t number);

// `day`: nothing for all days.
std::string report_table(const Ledger& ledger, std::optional<Day> day);
std::string report_json(const Ledger& ledger, std::optional<Day> day);

std::string records_table(const std::vector<StoredRecord>& records);
// The same as a line that does not wait for the others, with the lane.
std::string record_line(Lane lane, const StoredRecord& record);
// One JSON object a line. The event is embedded as it is stored; a reject's raw bytes as base64.
std::string record_json(Lane lane, const StoredRecord& record);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_RENDER_H_
