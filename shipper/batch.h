// Records that are sent in one request: of one lane, with one route, in the order of their numbers.
//
// Holds its records by shared ownership of what the queue's reader returned, so that it can be
// split, kept for a retry and passed on without copying events. Value type; one thread at a time.
#ifndef SLUICE_SHIPPER_BATCH_H_
#define SLUICE_SHIPPER_BATCH_H_

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/body_form.h"
#include "queue/record.h"
#include "queue/types.h"
#include "shipper/stamp.h"

namespace sluice::shipper {

// A record, and with it the memory that its views point into.
using RecordPtr = std::shared_ptr<const queue::StoredRecord>;

class Batch {
 public:
  explicit Batch(std::string route) : route_(std::move(route)) {}

  // The number must be above those that are in it, the route the batch's own.
  void append(RecordPtr record);

  const std::string& route() const { return route_; }
  const std::vector<RecordPtr>& records() const { return records_; }
  std::size_t size() const { return records_.size(); }
  std::size_t body_bytes() const { return body_bytes_; }
  queue::Seq first() const { return records_.front()->seq; }
  queue::Seq last() const { return records_.back()->seq; }

  // The events as what a request carries. The form of single events needs a batch of one. The stamp
  // comes on top of body_bytes().
  std::string body(BodyForm form, const Stamp& stamp = {}) const;

  // Takes away the first records, as many as the limits allow and one at least, and keeps the rest.
  Batch take_front(std::size_t events, std::size_t bytes);

  // Takes out the records with these numbers; how many it had.
  std::size_t leave_out(const std::set<queue::Seq>& numbers);

  // Two batches that have half of the records each, the earlier ones first. Needs two or more.
  std::pair<Batch, Batch> halves() const;

 private:
  std::string json_array(const Stamp& stamp) const;
  std::string json_lines(const Stamp& stamp) const;
  std::string entries(const Stamp& stamp) const;
  std::string single(const Stamp& stamp) const;

  std::string route_;
  std::vector<RecordPtr> records_;
  std::size_t body_bytes_ = 0;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_BATCH_H_
