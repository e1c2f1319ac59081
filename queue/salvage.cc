#include "queue/salvage.h"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "queue/bytes.h"
#include "queue/database.h"
#include "queue/log_scan.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {

namespace fs = std::filesystem;

struct Files {
  std::vector<fs::path> tables;  // ascending by name, which is by age
  std::vector<fs::path> logs;
  std::vector<fs::path> others;  // MANIFEST, CURRENT and OPTIONS
};

Result<Files> list(const fs::path& folder) {
  Files files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".sst")) {
      files.tables.push_back(entry.path());
    } else if (name.ends_with(".log")) {
      files.logs.push_back(entry.path());
    } else if (name == "CURRENT" || name.starts_with("MANIFEST-") || name.starts_with("OPTIONS-")) {
      files.others.push_back(entry.path());
    }
  }
  if (error) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot list the folder {}: {}", folder.string(), error.message()));
  }
  std::sort(files.tables.begin(), files.tables.end());
  std::sort(files.logs.begin(), files.logs.end());
  return files;
}

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return {};
  return fail(ErrorKind::kCannotCreate,
              fmt::format("cannot make the folder {}: {}", folder.string(), error.message()));
}

// Tables are never written again, so a second name for the same file will do.
Result<void> link_into(const fs::path& folder, const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    std::error_code error;
    fs::create_hard_link(file, folder / file.filename(), error);
    if (!error) continue;
    return fail(ErrorKind::kIo, fmt::format("cannot link {} into {}: {}", file.string(),
                                            folder.string(), error.message()));
  }
  return {};
}

Result<void> copy_into(const fs::path& folder, const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    std::error_code error;
    fs::copy_file(file, folder / file.filename(), error);
    if (!error) continue;
    return fail(ErrorKind::kIo, fmt::format("cannot copy {} into {}: {}", file.string(),
                                            folder.string(), error.message()));
  }
  return {};
}

// A table file and the family that it belongs to; empty when that cannot be read.
struct Table {
  fs::path path;
  std::string family;
};

// Gives the changes of a log's batches to the right places.
class LogChanges final : public rocksdb::WriteBatch::Handler {
 public:
  // A change of the state: nothing means that the key was deleted.
  using StateChange = std::function<void(std::string_view, std::optional<std::string_view>)>;

  LogChanges(const std::vector<std::string>* names, Database* records, StateChange state)
      : names_(*names), records_(*records), state_(std::move(state)) {}

  rocksdb::Status PutCF(std::uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    if (family >= names_.size()) return rocksdb::Status::OK();
    if (family == 0) {
      state_({key.data(), key.size()}, std::string_view(value.data(), value.size()));
    } else {
      batch_.Put(records_.family(names_[family]), key, value);
    }
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(std::uint32_t family, const rocksdb::Slice& key) override {
    if (family == 0) state_({key.data(), key.size()}, std::nullopt);
    return rocksdb::Status::OK();
  }
  // What is deleted elsewhere is an older version of a row or no longer needed; keeping it does no
  // harm.
  rocksdb::Status SingleDeleteCF(std::uint32_t, const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteRangeCF(std::uint32_t, const rocksdb::Slice&,
                                const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  void LogData(const rocksdb::Slice&) override {}

  Result<void> store() {
    if (batch_.Count() == 0) return {};
    rocksdb::WriteOptions options;
    options.disableWAL = true;  // scratch: a repair that is killed begins again
    const rocksdb::Status status = records_.db().Write(options, &batch_);
    batch_.Clear();
    if (!status.ok()) return fail(database_error("write to", records_.path(), status));
    return {};
  }

 private:
  const std::vector<std::string>& names_;
  Database& records_;
  StateChange state_;
  rocksdb::WriteBatch batch_;
};

}  // namespace

struct Salvage::Impl {
  Result<void> open();
  void find_families();
  Result<void> read_state();
  Result<bool> read_state_of(const fs::path& copy);
  Result<bool> read_state_by_manifest();
  Result<bool> read_state_without_manifest();
  Result<void> read_logs();
  void look_for_lost_changes(std::string_view batch, bool behind_damage);
  void change_state(std::string_view key, std::optional<std::string_view> value);
  void find_damaged_state_tables();
  void note(std::string sentence) { damage.push_back(std::move(sentence)); }

  fs::path folder;
  fs::path scratch;
  Files files;
  std::vector<Table> tables;
  std::map<std::string, std::string> state;
  std::uint64_t state_sequence =
      0;  // the tables hold the state up to this one of RocksDB's numbers
  bool state_is_whole = true;
  bool is_newer = false;          // a log's batch than what the tables hold of the state
  bool has_lost_changes = false;  // of the state, in the logs
  std::optional<std::uint64_t> next_in_logs;  // the number that the next batch should have
  std::unique_ptr<Database> from_logs;
  std::vector<std::string> damage;
};

Result<void> Salvage::Impl::open() {
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  SLUICE_TRY(make_folder(scratch));
  SLUICE_ASSIGN(files, list(folder));
  find_families();
  SLUICE_TRY(read_state());
  return read_logs();
}

void Salvage::Impl::find_families() {
  for (const fs::path& path : files.tables) {
    rocksdb::SstFileReader reader{rocksdb::Options()};
    const rocksdb::Status status = reader.Open(path.string());
    if (status.ok()) {
      tables.push_back({path, reader.GetTableProperties()->column_family_name});
      continue;
    }
    note(fmt::format("{} cannot be read at all: {}", path.filename().string(), status.ToString()));
    tables.push_back({path, ""});
  }
}

Result<void> Salvage::Impl::read_state() {
  find_damaged_state_tables();
  SLUICE_ASSIGN(bool done, read_state_by_manifest());
  if (done) return {};
  SLUICE_ASSIGN(done, read_state_without_manifest());
  if (!done) state_is_whole = false;
  return {};
}

void Salvage::Impl::find_damaged_state_tables() {
  for (const Table& table : tables) {
    if (table.family != kDefaultFamily) continue;
    rocksdb::SstFileReader reader{rocksdb::Options()};
    rocksdb::Status status = reader.Open(table.path.string());
    if (status.ok()) status = reader.VerifyChecksum();
    if (status.ok()) continue;
    state_is_whole = false;
    note(fmt::format("{} with the fetcher's state is damaged: {}", table.path.filename().string(),
                     status.ToString()));
  }
}

// False: it cannot be opened.
Result<bool> Salvage::Impl::read_state_of(const fs::path& copy) {
  rocksdb::Options options;
  options.paranoid_checks = false;
  options.info_log_level = rocksdb::FATAL_LEVEL;
  // Without it, RocksDB aborts when the MANIFEST lists logs and the database is opened read-only.
  options.track_and_verify_wals_in_manifest = true;
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  std::vector<std::string> names;
  if (!rocksdb::DB::ListColumnFamilies(options, copy.string(), &names).ok()) return false;
  for (const std::string& name : names) {
    descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(options, copy.string(), descriptors, &handles, &opened);
  if (!status.ok()) return false;
  const std::unique_ptr<rocksdb::DB> db(opened);
  {
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(scan_options()));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      state[it->key().ToString()] = it->value().ToString();
    }
    if (!it->status().ok()) state_is_whole = false;
    // From the other side, up to the same damage.
    for (it->SeekToLast(); !state_is_whole && it->Valid(); it->Prev()) {
      if (!state.emplace(it->key().ToString(), it->value().ToString()).second) break;
    }
  }
  std::vector<rocksdb::LiveFileMetaData> live;
  db->GetLiveFilesMetaData(&live);
  for (const auto& file : live) {
    if (file.column_family_name != kDefaultFamily) continue;
    state_sequence = std::max<std::uint64_t>(state_sequence, file.largest_seqno);
    const fs::path name = fs::path(file.name).filename();
    const auto table = std::find_if(tables.begin(), tables.end(),
                                    [&](const Table& t) { return t.path.filename() == name; });
    if (table != tables.end() && !table->family.empty()) continue;
    state_is_whole = false;
    note(fmt::format("{} with the fetcher's state is missing or cannot be read", name.string()));
  }
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
  return true;
}

Result<bool> Salvage::Impl::read_state_by_manifest() {
  const fs::path copy = scratch / "by-manifest";
  SLUICE_TRY(make_folder(copy));
  // RocksDB opens a database that lacks a table, but not one with a table that it cannot open.
  std::vector<fs::path> readable;
  for (const Table& table : tables) {
    if (!table.family.empty()) readable.push_back(table.path);
  }
  SLUICE_TRY(link_into(copy, readable));
  SLUICE_TRY(copy_into(copy, files.others));
  SLUICE_ASSIGN(bool done, read_state_of(copy));
  if (!done) {
    // The MANIFEST may list logs that have to be there.
    SLUICE_TRY(copy_into(copy, files.logs));
    SLUICE_ASSIGN(done, read_state_of(copy));
  }
  if (!done) {
    note(
        "CURRENT or MANIFEST cannot be used: the files are read without them, so if a whole file "
        "is "
        "missing that cannot be seen; if it may be, repair with --refetch");
  }
  return done;
}

// RocksDB makes a new MANIFEST for a copy that holds the state's tables alone.
Result<bool> Salvage::Impl::read_state_without_manifest() {
  const fs::path copy = scratch / "without-manifest";
  SLUICE_TRY(make_folder(copy));
  // Whose an unreadable table was nobody knows, so the state may have been in it.
  const bool all_are_known = std::none_of(tables.begin(), tables.end(),
                                          [](const Table& table) { return table.family.empty(); });
  if (!all_are_known) state_is_whole = false;
  std::vector<fs::path> wanted;
  for (const Table& table : tables) {
    if (table.family == kDefaultFamily) wanted.push_back(table.path);
  }
  if (wanted.empty()) return true;  // all of it is in the logs
  SLUICE_TRY(link_into(copy, wanted));
  rocksdb::Options options;
  options.info_log_level = rocksdb::FATAL_LEVEL;
  const rocksdb::Status status = rocksdb::RepairDB(copy.string(), options);
  if (!status.ok()) {
    note("the fetcher's state cannot be put together: " + status.ToString());
    return false;
  }
  return read_state_of(copy);
}

// Each batch follows the one before it by number. Where some are left out, the state is only known
// up to there: what they changed may be what no later batch changes again, for example that a
// recording is to be fetched.
void Salvage::Impl::look_for_lost_changes(std::string_view batch, bool behind_damage) {
  ByteReader header(batch);
  const auto first = header.little<std::uint64_t>();
  const auto count = header.little<std::uint32_t>();
  is_newer = first > state_sequence || state.empty();
  const bool is_behind_a_gap = next_in_logs ? first > *next_in_logs : behind_damage;
  if (is_behind_a_gap && first > state_sequence + 1 && !has_lost_changes) {
    has_lost_changes = true;
    note(
        "changes of the fetcher's state are lost with a part of the logs, so the state is kept as "
        "it was before them: what was fetched afterwards is fetched again");
  }
  next_in_logs = std::max(next_in_logs.value_or(0), first + count);
}

void Salvage::Impl::change_state(std::string_view key, std::optional<std::string_view> value) {
  if (!is_newer || (has_lost_changes && key.starts_with(kStatePrefix))) return;
  if (value) {
    state.insert_or_assign(std::string(key), std::string(*value));
  } else {
    state.erase(std::string(key));
  }
}

Result<void> Salvage::Impl::read_logs() {
  const auto families = queue_families();
  std::vector<std::string> names;
  for (const auto& family : families) names.push_back(family.name);
  SLUICE_ASSIGN(from_logs, Database::open_primary(scratch / "log", families, nullptr));
  LogChanges changes(&names, from_logs.get(),
                     [this](std::string_view key, std::optional<std::string_view> value) {
                       change_state(key, value);
                     });
  for (const fs::path& path : files.logs) {
    const auto visit = [&](std::string_view bytes, bool behind_damage) -> Result<void> {
      look_for_lost_changes(bytes, behind_damage);
      const rocksdb::WriteBatch batch{std::string(bytes)};
      const rocksdb::Status status = batch.Iterate(&changes);
      if (!status.ok()) {
        note(fmt::format("a batch in {} cannot be read: {}", path.filename().string(),
                         status.ToString()));
      }
      return changes.store();
    };
    SLUICE_ASSIGN(const LogScan scanned, scan_log(path, visit));
    if (scanned.damaged_places > 0) {
      note(fmt::format("{} is damaged in {} places; {} batches in it can be read",
                       path.filename().string(), scanned.damaged_places, scanned.batches));
    }
  }
  return {};
}

namespace {

// The rows of one table file or of the logs, in order, passing over what cannot be read.
class Source {
 public:
  explicit Source(std::unique_ptr<rocksdb::SstFileReader> reader)
      : reader_(std::move(reader)),
        it_(reader_->NewIterator(scan_options())),
        entries_(reader_->GetTableProperties()->num_entries) {
    it_->SeekToFirst();
    if (!it_->Valid() && !it_->status().ok()) pass_first_damage();
  }
  Source(Database* database, std::string_view family)
      : it_(database->db().NewIterator(scan_options(), database->family(family))) {
    it_->SeekToFirst();
  }

  bool valid() const { return it_->Valid(); }
  std::string_view key() const { return {it_->key().data(), it_->key().size()}; }
  std::string_view value() const { return {it_->value().data(), it_->value().size()}; }
  bool is_damaged() const { return is_damaged_; }

  void next() {
    last_.assign(key());
    it_->Next();
    if (!it_->Valid() && !it_->status().ok()) pass_damage();
  }

 private:
  // A table's numbers are dense, so its first follows from its last and their count.
  void pass_first_damage() {
    is_damaged_ = true;
    it_->SeekToLast();
    if (!it_->Valid() || it_->key().size() != sizeof(Seq)) return;
    ByteReader reader(key());
    const Seq last = reader.big<Seq>();
    last_ = record_key(last >= entries_ ? last - entries_ : 0);
    it_->Seek(record_key(last + 1));
    pass_damage();
  }

  // Each key of a damaged block gives an error, so the next one is tried until one is in another
  // block. Only numbers have a successor that can be named: other rows end at the damage.
  void pass_damage() {
    is_damaged_ = true;
    if (last_.size() != sizeof(Seq)) return;
    ByteReader reader(last_);
    const Seq last = reader.big<Seq>();
    for (Seq number = last + 1; number <= last + entries_ + 1; ++number) {
      it_->Seek(record_key(number));
      if (it_->Valid() || it_->status().ok()) return;
    }
  }

  std::unique_ptr<rocksdb::SstFileReader> reader_;
  std::unique_ptr<rocksdb::Iterator> it_;
  std::uint64_t entries_ = 0;
  std::string last_;  // the key before
  bool is_damaged_ = false;
};

}  // namespace

Result<void> Salvage::each(std::string_view family, const Visit& visit) {
  std::vector<std::pair<std::unique_ptr<Source>, fs::path>> sources;
  for (const Table& table : impl_->tables) {
    if (table.family != family) continue;
    auto reader = std::make_unique<rocksdb::SstFileReader>(rocksdb::Options());
    const rocksdb::Status status = reader->Open(table.path.string());
    if (!status.ok()) return fail(database_error("read", table.path, status));
    sources.emplace_back(std::make_unique<Source>(std::move(reader)), table.path);
  }
  if (impl_->from_logs->has_family(family)) {
    sources.emplace_back(std::make_unique<Source>(impl_->from_logs.get(), family), fs::path());
  }
  const auto is_later = [](const Source* a, const Source* b) { return a->key() > b->key(); };
  std::vector<Source*> heap;
  for (const auto& [source, path] : sources) {
    if (source->valid()) heap.push_back(source.get());
  }
  std::make_heap(heap.begin(), heap.end(), is_later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), is_later);
    Source* source = heap.back();
    heap.pop_back();
    SLUICE_TRY(visit(source->key(), source->value()));
    source->next();
    if (!source->valid()) continue;
    heap.push_back(source);
    std::push_heap(heap.begin(), heap.end(), is_later);
  }
  for (const auto& [source, path] : sources) {
    if (!source->is_damaged()) continue;
    impl_->note(fmt::format("{} ({}) is damaged", path.filename().string(), family));
  }
  return {};
}

Result<std::unique_ptr<Salvage>> Salvage::open(const fs::path& folder, const fs::path& scratch) {
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  impl->scratch = scratch;
  SLUICE_TRY(impl->open());
  return std::unique_ptr<Salvage>(new Salvage(std::move(impl)));
}

Salvage::Salvage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Salvage::~Salvage() {
  impl_->from_logs.reset();
  std::error_code ignored;
  fs::remove_all(impl_->scratch, ignored);
}

const std::map<std::string, std::string>& Salvage::state() const { return impl_->state; }
bool Salvage::state_is_whole() const { return impl_->state_is_whole; }
const std::vector<std::string>& Salvage::damage() const { return impl_->damage; }

}  // namespace sluice::queue
