// Models that are Python programs, each instance in a process of its own: the executor at the
// server's end.
//
// Two threads serve an instance. Its own thread, or a guest in its place, runs batches in lock-step
// with the worker: it copies the inputs into one block of shared memory, writes EXECUTE, reads
// EXECUTED and hands the answers over, which borrow the worker's memory; no other thread takes
// part. The keeper does everything else: it launches the worker (and so is the thread with whose
// end the kernel ends the worker), takes late responses and the model's own calls, tells the worker
// which clients have gone, ends an execution that takes too long, and when the worker dies fails
// what it had and starts it again. A worker that had executed something starts again at once; one
// that dies young is given longer and longer to come back.
//
// Threads: confined(instance), except healthy and hopeless (thread-safe); the keeper is inside.
// Owns: the keeper's thread, the session with the worker, the requests that it has.
// Invariants: 1. requests of a dead worker are failed before its successor gets any;
//             2. no process is left when stop has returned.
// Limits: limits::kMaxOpenRequests requests.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backend/executor.h"
#include "backend/open_requests.h"
#include "backend/worker_calls.h"
#include "backend/worker_session.h"
#include "base/thread.h"
#include "queue/wakeup.h"

namespace tritonpy {

// For backend "python". invalid_arg when the context has no launcher.
Result<std::unique_ptr<ExecutorFactory>> make_worker_factory(const ExecutorConfig& config,
                                                             const ExecutorContext& context);

class WorkerExecutor final : public Executor, public RequestExecutor {
  public:
    // Starts the worker and waits until its model is initialised. Whatever the launcher says.
    static Result<std::unique_ptr<WorkerExecutor>> create(const ExecutorConfig& config,
                                                          const ExecutorContext& context,
                                                          const InstanceSpec& instance);
    // create() is the way.
    WorkerExecutor(const ExecutorConfig& config, const ExecutorContext& context,
                   const InstanceSpec& instance);
    ~WorkerExecutor() override;
    WorkerExecutor(const WorkerExecutor&) = delete;
    WorkerExecutor& operator=(const WorkerExecutor&) = delete;

    Status execute(Batch& batch) override;  // never called
    RequestExecutor* request_executor() override { return this; }
    bool healthy() const override { return state_.load() == State::kHealthy; }

    void open(ResponseOutlet& outlet) override { open_.open(outlet); }
    Status run(Batch& batch, RequestTrace& times) override;
    Result<bool> try_start(Batch& batch, RequestTrace& times) override;
    int answer_descriptor() const override { return running_->execute_stream().descriptor(); }
    bool receive() override;
    Status finish(RequestTrace& times) override;
    bool wait_until_healthy() override;
    bool hopeless() const override { return state_.load() == State::kFailing; }
    uint64_t deaths() const override { return lost_lives_.load(); }
    void stop() override;

  private:
    using Session = std::shared_ptr<WorkerSession>;
    enum class State : uint8_t {
        kStarting,  // for the first time, or again after a life that was good
        kHealthy,
        kFailing,  // did not come back
        kStopped,
    };

    // ---- whoever runs batches
    Session session_now();
    // Sends EXECUTE, if it has no more than that many bytes; else nothing was done: false.
    Result<bool> start(Session session, Batch& batch, RequestTrace& times, size_t most_bytes);
    Result<bool> send_execute(WorkerSession& session, Batch& batch, RequestTrace& times,
                              size_t most_bytes);
    Result<ExecutedMessage> take_executed(WorkerSession& session);
    Status hand_over(WorkerSession& session, ExecutedMessage message);
    void wake_keeper_for_ticks();

    // ---- the keeper's thread (worker_keeper.cc)
    void keep();
    bool live_once(bool first);
    void serve(WorkerSession& session);
    bool serve_calls(WorkerSession& session);
    Status take_message(WorkerSession& session, const MessageStream::Message& message);
    Status take_response(WorkerSession& session, ResponseMessage message);
    bool sleep(WorkerSession& session);
    void tick(WorkerSession& session);
    void bury(const Session& session);
    void wait_before_restart();

    // ---- both
    // Makes `session` nobody's: no batch goes to it any more.
    void retire(const Session& session);
    Status lost_error(const WorkerSession& session) const;
    std::string unhealthy_text() const;
    void set_state(State state, Session session);
    int64_t now_ns() const { return context_.clock.now_ns(); }

    const ExecutorConfig config_;
    const ExecutorContext context_;
    const InstanceSpec instance_;
    const int64_t timeout_ns_;
    const std::vector<TensorSpec> inputs_;

    Wakeup wakeup_;  // the keeper's
    OpenRequests open_;
    WorkerCalls calls_;
    std::vector<OpenRequestKey> keys_;  // of the batch that runs
    Session running_;                   // where it runs; else null
    std::optional<MessageStream::Message> executed_;  // its answer, once that is there
    Bytes execute_message_;

    std::atomic<State> state_{State::kStarting};  // written under mutex_
    std::atomic<bool> stopping_{false};
    std::atomic<uint64_t> lost_lives_{0};  // written under mutex_, before state_ says so
    std::atomic<int64_t> execute_start_ns_{0};  // 0: none is on; relaxed: a tick late is fine
    // seq_cst, with OpenRequests::count: the keeper says that it stops ticking and then looks for
    // requests; the instance puts one and then looks whether the keeper ticks.
    std::atomic<bool> ticking_{false};
    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    Session session_;                    // null unless healthy
    std::optional<Status> first_launch_;  // how it went

    // The keeper's own.
    uint32_t deaths_ = 0;  // in a row, of workers that had not proven themselves
    uint32_t quiet_ticks_ = 0;
    int64_t last_tick_ns_ = 0;  // of the steady clock

    std::optional<Thread> keeper_;  // last, so that it is joined before what it uses goes
};

}  // namespace tritonpy
