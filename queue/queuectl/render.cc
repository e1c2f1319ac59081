#include "queue/queuectl/render.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base64.h"
#include "common/check.h"
#include "common/printable.h"
#include "queue/queuectl/json.h"

namespace sluice::queue {
namespace {

struct ReportLine {
  LedgerKey key;
  LedgerRow row;
  std::int64_t open() const {
    return static_cast<std::int64_t>(row.queued - row.acknowledged - row.dead - row.skipped -
                                     row.gap);
  }
  // Whether the ids that left are those that came; only a day with nothing open can say.
  bool ids_agree() const {
    Digest left = row.acknowledged_ids;
    left += row.set_aside_ids;
    return left == row.queued_ids;
  }
};

std::vector<ReportLine> report_lines(const Ledger& ledger, std::optional<Day> day) {
  std::vector<ReportLine> lines;
  for (const auto& [key, row] : ledger) {
    if (!day || *day == key.day) lines.push_back({key, row});
  }
  return lines;
}

}  // namespace

Table::Table(std::vector<std::string> header, std::size_t left_columns)
    : left_columns_(left_columns) {
  rows_.push_back(std::move(header));
}

void Table::add(std::vector<std::string> cells) {
  SLUICE_CHECK(cells.size() == rows_.front().size(), "a row has as many cells as the header");
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += i < left_columns_ ? fmt::format("{:<{}}", row[i], widths[i])
                                : fmt::format("{:>{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string with_thousands(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string report_table(const Ledger& ledger, std::optional<Day> day) {
  Table table({"DAY", "LANE", "queued", "acknowledged", "dead", "skipped", "gap", "open",
               "filtered", "duplicates", "ids"},
              2);
  for (const ReportLine& line : report_lines(ledger, day)) {
    const LedgerRow& row = line.row;
    table.add({format_day(line.key.day), std::string(name_of(line.key.lane)),
               with_thousands(row.queued), with_thousands(row.acknowledged),
               with_thousands(row.dead), with_thousands(row.skipped), with_thousands(row.gap),
               std::to_string(line.open()), with_thousands(row.filtered),
               with_thousands(row.duplicates),
               line.open() != 0 ? "open" : (line.ids_agree() ? "agree" : "DIFFER")});
  }
  return table.text();
}

std::string report_json(const Ledger& ledger, std::optional<Day> day) {
  std::string text;
  for (const ReportLine& line : report_lines(ledger, day)) {
    const LedgerRow& row = line.row;
    text += dump(Json{{"schema", kSchemaVersion},
                      {"day", format_day(line.key.day)},
                      {"lane", name_of(line.key.lane)},
                      {"queued", row.queued},
                      {"acknowledged", row.acknowledged},
                      {"dead", row.dead},
                      {"skipped", row.skipped},
                      {"gap", row.gap},
                      {"open", line.open()},
                      {"filtered", row.filtered},
                      {"duplicates_avoided", row.duplicates},
                      {"queued_ids", row.queued_ids.to_hex()},
                      {"acknowledged_ids", row.acknowledged_ids.to_hex()},
                      {"set_aside_ids", row.set_aside_ids.to_hex()}}) +
            "\n";
  }
  return text;
}

std::string records_table(const std::vector<StoredRecord>& records) {
  Table table({"SEQ", "TIME", "TYPE", "ID", "ROUTE", "KIND", "BYTES"}, 6);
  for (const auto& [seq, record] : records) {
    table.add({std::to_string(seq), format_rfc3339(record.time), std::string(record.type),
               std::string(record.id), std::string(record.route), std::string(name_of(record.kind)),
               with_thousands(record.body.size())});
  }
  return table.text();
}

std::string record_line(Lane lane, const StoredRecord& stored) {
  const RecordView& record = stored.record;
  return fmt::format("{:7}  {:>10}  {:24}  {:<28}  {}{}\n", name_of(lane), stored.seq,
                     format_rfc3339(record.time), printable(record.type), printable(record.id),
                     record.kind == RecordKind::kEvent
                         ? ""
                         : fmt::format("  ({}: {})", name_of(record.kind), printable(record.note)));
}

std::string record_json(Lane lane, const StoredRecord& stored) {
  const RecordView& record = stored.record;
  const Json head{{"schema", kSchemaVersion},
                  {"lane", name_of(lane)},
                  {"seq", stored.seq},
                  {"epoch", record.epoch},
                  {"kind", name_of(record.kind)},
                  {"fetched_at", format_rfc3339(from_unix_ms(record.fetched_at_ms))},
                  {"time", format_rfc3339(record.time)},
                  {"id", record.id},
                  {"type", record.type},
                  {"route", record.route},
                  {"note", record.note}};
  std::string text = dump(head);
  text.pop_back();
  if (record.kind == RecordKind::kEvent) {
    text.append(",\"event\":").append(record.body);
  } else {
    text.append(",\"raw\":\"").append(base64(record.body)).append("\"");
  }
  return text + "}\n";
}

}  // namespace sluice::queue
