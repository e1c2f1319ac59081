// The queue as a library: durable, ordered logs on a local disk, which one process fills and
// another one delivers from, each of them free to die at any moment.
//
//   writer.h          Writer, Append               for the one process that fills it
//   reader.h          Reader, RecordBatch          for any number that read it, while it is filled
//   delivery_store.h  DeliveryStore, Completion    for the one process that delivers what is in it
//   replay_job.h      ReplaySpec, ReplayJob        for delivering again what is kept
//   record.h          RecordView, StoredRecord     what is kept: a body, its id, its provenance
//   types.h           Lane, Seq, Epoch             the two logs of a queue and their numbers
//   instance.h        InstancePaths, Machine       where it is on disk, and on which machine
//
// These headers are the public interface, and each states its contract; the others in this folder
// are not meant for inclusion from elsewhere. The queue knows neither where records come from nor
// where they go.
//
// What it promises:
//  - When Writer::append() or Writer::sync() has returned success, the records and the writer's own
//    state are on disk together; after a crash either both are there or neither.
//  - A Reader returns only what is on disk, each number once, in order and without a hole.
//  - When DeliveryStore::commit() has returned success, what it accounts for is not to be delivered
//    again, whatever dies. What was delivered and not committed is to be delivered again.
//  - Errors are values (common/error.h). No exception comes out, and no call waits without a bound.
//
// An example, which a test takes from here, compiles and runs:
//
//   Result<std::string> fill_and_deliver(const std::filesystem::path& folder) {
//     const InstancePaths paths{folder};
//     const Machine machine = this_machine();
//
//     // The process that fills the queue.
//     WriterOptions filling;
//     filling.paths = paths;
//     filling.machine = machine;
//     SLUICE_ASSIGN(const auto writer, Writer::open(filling));
//     RecordView record;
//     record.id = "greeting-1";
//     record.type = "greeting";
//     record.body = R"({"hello":"world"})";
//     Append batch;
//     batch.add(Lane::kAudit, record);
//     batch.put_state("source", "read up to greeting-1");
//     SLUICE_TRY(writer->append(batch));  // now on disk
//
//     // The process that delivers from it.
//     DeliveryStoreOptions delivering;
//     delivering.paths = paths;
//     delivering.machine = machine;
//     SLUICE_ASSIGN(const auto store, DeliveryStore::open(delivering));
//     ReaderOptions reading;
//     reading.paths = paths;
//     reading.scratch = folder / "scratch";
//     SLUICE_ASSIGN(const auto reader, Reader::open(reading));
//     SLUICE_ASSIGN(const QueueView view, reader->view());
//     SLUICE_TRY(store->reconcile(view));
//
//     const Seq next = store->progress(Lane::kAudit).position + 1;
//     SLUICE_ASSIGN(const RecordBatch records, reader->read(Lane::kAudit, next, ReadLimits{}));
//     std::string delivered;
//     Completion done(Lane::kAudit);
//     for (const StoredRecord& stored : records.records()) {
//       delivered += stored.record.body;
//       done.acknowledge(stored);
//     }
//     SLUICE_TRY(store->commit(done));  // now on disk: not to be delivered again
//     return delivered;
//   }
#ifndef SLUICE_QUEUE_QUEUE_H_
#define SLUICE_QUEUE_QUEUE_H_

// IWYU pragma: begin_exports
#include "queue/delivery_store.h"
#include "queue/instance.h"
#include "queue/reader.h"
#include "queue/record.h"
#include "queue/types.h"
#include "queue/writer.h"
// IWYU pragma: end_exports

#endif  // SLUICE_QUEUE_QUEUE_H_
