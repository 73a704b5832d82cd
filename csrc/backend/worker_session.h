// One life of a worker process as the server sees it: its two streams and its two arenas.
//
// Threads: the execute stream is confined(instance), the calls stream confined to the keeper;
// arenas and break_off are thread-safe. Shared (hence shared_ptr) by these two threads, for either
// may be the last to notice that the worker has died.
// Owns: the streams and arenas, not the process.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "backend/message_stream.h"
#include "backend/worker_launcher.h"
#include "backend/worker_messages.h"
#include "base/result.h"
#include "infer/response.h"
#include "memory/shared_arena.h"
#include "memory/shared_arena_view.h"
#include "tensor/tensor.h"

namespace tritonpy {

// The memory that one message of the worker names: its own blocks, each taken once whatever refers
// to it, and what it names back of ours. Threads: compatible.
class MessageBlocks {
  public:
    MessageBlocks(SharedArena& inputs, SharedArenaView& outputs, uint64_t arena_size)
        : inputs_(inputs), outputs_(outputs), arena_size_(arena_size) {}

    // Fills `out` with tensors over `block`. internal when a place cannot be.
    Status place(uint64_t block, std::vector<WorkerTensor> tensors, std::vector<Tensor>& out);

  private:
    Result<BufferRef> at(uint64_t block);
    Status place_one(const WorkerTensor& tensor, const BufferRef& block, Tensor& out);

    SharedArena& inputs_;
    SharedArenaView& outputs_;
    const uint64_t arena_size_;
    std::vector<std::pair<uint64_t, BufferRef>> taken_;
};

class WorkerSession {
  public:
    // Takes the descriptors, also on failure. Errors as the arenas'.
    static Result<std::shared_ptr<WorkerSession>> over(const LaunchedWorker& worker);
    // over() is the way.
    explicit WorkerSession(const LaunchedWorker& worker)
        : execute_(worker.executed_fd, worker.execute_fd),
          calls_(worker.calls_fd, worker.answers_fd),
          pid_(worker.pid) {
        calls_.never_block();
    }
    WorkerSession(const WorkerSession&) = delete;
    WorkerSession& operator=(const WorkerSession&) = delete;

    MessageStream& execute_stream() { return execute_; }
    MessageStream& calls_stream() { return calls_; }
    SharedArena& inputs() { return *inputs_; }
    MessageBlocks blocks_of(uint64_t arena_size) { return {*inputs_, *outputs_, arena_size}; }
    int pid() const { return pid_; }

    // What the worker said, as the response of an inference. internal when it cannot be.
    static Result<std::unique_ptr<InferenceResponse>> response_of(WorkerResponse said,
                                                                  MessageBlocks& blocks);

    // Nothing more is to be said or heard; the other thread learns of it: the keeper when it is
    // woken, the instance's when the keeper has killed the worker.
    void break_off() { broken_off_.store(true, std::memory_order_relaxed); }
    bool is_broken_off() const { return broken_off_.load(std::memory_order_relaxed); }

    // The worker is killed because an execution took too long. Comes before that.
    void set_timed_out() { timed_out_.store(true, std::memory_order_release); }
    bool timed_out() const { return timed_out_.load(std::memory_order_acquire); }

    // Whether it ever executed a batch.
    void set_proven() { proven_.store(true, std::memory_order_relaxed); }
    bool proven() const { return proven_.load(std::memory_order_relaxed); }

  private:
    MessageStream execute_;
    MessageStream calls_;
    const int pid_;
    std::shared_ptr<SharedArena> inputs_;
    std::shared_ptr<SharedArenaView> outputs_;
    std::atomic<bool> timed_out_{false};  // release before the kill, acquire after its effect
    std::atomic<bool> proven_{false};
    std::atomic<bool> broken_off_{false};  // relaxed: what was before it the wake-up orders
};

}  // namespace tritonpy
