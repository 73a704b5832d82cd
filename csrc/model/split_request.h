// A request with more rows than its model takes at once, run in parts and answered as one.
//
// Only for models whose configuration asks for it (parameter `split_large_requests`): Triton
// refuses such a request. Each part is a request of its own to the scheduler, with at most
// max_batch_size rows that borrow the bytes of the whole; this is what the parts answer to. When
// the last of them is there, their outputs are joined row after row and the whole goes home in one
// response. A failure is the whole's, and takes the parts that still wait out of the queue; so does
// its client, by the cancellation that all of them share.
//
// Threads: thread-safe. Owns: itself, until it has answered; the whole request, and outputs of
// parts until the last is there. Borrows: the pool.
// Invariants: 1. the whole is answered exactly once, after the last part is answered or refused;
//             2. parts have let go of the whole's bytes by then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "infer/model_identity.h"
#include "infer/request.h"
#include "infer/response.h"
#include "memory/block_pool.h"

namespace tritonpy {

class SplitRequest final : public ResponseSink {
  public:
    // Takes a request that passed the check but for its rows. REQUIRES: it has more rows than the
    // model's max_batch_size, which is not 0; `pool` outlives the response.
    static std::shared_ptr<SplitRequest> create(std::shared_ptr<const ModelIdentity> model,
                                                BlockPool& pool,
                                                std::unique_ptr<InferenceRequest> whole);
    // create() is the way.
    SplitRequest(std::shared_ptr<const ModelIdentity> model, BlockPool& pool,
                 std::unique_ptr<InferenceRequest> whole);

    // The next part, in the order of the rows; null after the last.
    std::unique_ptr<InferenceRequest> next_part();
    // Says that the part that next_part gave last, and all after it, will never come: the whole
    // fails with `status`.
    void refuse_rest(const Status& status);
    // The whole, unanswered. REQUIRES: no part was handed to a scheduler.
    std::unique_ptr<InferenceRequest> give_back();

    // The final response of a part.
    void deliver(std::unique_ptr<InferenceResponse> response) override;

  private:
    // Where a tensor of the whole goes on.
    struct Cursor {
        std::span<const std::byte> rest;
        int64_t elements_per_row = 0;
    };

    Tensor next_rows(const Tensor& input, Cursor& cursor, int64_t rows) const;
    // Both REQUIRE mutex_.
    void note(const Status& status);
    std::unique_ptr<InferenceResponse> joined();
    Status join(std::vector<Tensor>& outputs);
    void answer_if_complete(std::unique_lock<std::mutex>& lock);

    const std::shared_ptr<const ModelIdentity> model_;
    BlockPool& pool_;
    const size_t count_;  // of parts

    // Of whoever makes the parts.
    std::vector<Cursor> cursors_;
    int64_t rows_left_;
    size_t made_ = 0;

    std::mutex mutex_;  // guards what follows
    std::unique_ptr<InferenceRequest> whole_;
    size_t waiting_;  // parts that are not answered
    Status status_;   // of the first that failed; what took others with it before what it took
    std::vector<std::vector<Tensor>> outputs_;  // by part
    SharedParameters parameters_;
    std::shared_ptr<SplitRequest> self_;  // shared with nobody in the end: parts know no owner
};

}  // namespace tritonpy
