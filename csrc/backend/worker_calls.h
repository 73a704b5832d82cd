// What the models of one instance ask of other models, and the answers on their way back.
//
// The keeper submits each call to the server. Answers come on any thread into a box, and the keeper
// copies them into shared memory and tells the worker. It does so for a call as long as the model
// takes what it is given: answers that it has not taken yet count as unread, whoever received them,
// and beyond kMaxUnread the next ones wait here, where they keep the memory of the model that
// answered; its sender sees that and waits, too. What the model has taken it may keep: that is its
// own affair. A call that is cancelled gets its final answer only, however much lies unread.
//
// A worker that dies leaves its calls behind: they are cancelled, and what still comes for them is
// dropped. Nobody waits for it, not even the model's unloading: the box lives as long as the server
// owes an answer to it.
//
// Threads: confined to the keeper; the box is thread-safe.
// Owns: answers until they are sent. Borrows: the door; the wake-up until close.
// Invariants: 1. every call is answered to the worker that made it with exactly one final answer,
//                if it lives;
//             2. the answers to one call come in order.
// Limits: limits::kMaxWorkerCalls at once; of each, kMaxUnread bytes of answers unread in shared
// memory and one answer of any size more. What waits here is what senders send before they wait.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "infer/inference_door.h"
#include "backend/worker_messages.h"
#include "backend/worker_session.h"
#include "infer/response.h"
#include "queue/inbox.h"

namespace tritonpy {

// Where the answers to one instance's calls arrive.
// Threads: thread-safe; what Inbox confines to its consumer, to the keeper.
// Shared (hence shared_ptr) by the keeper and by every request that the server has.
class AnswerBox final : public ResponseSink, public std::enable_shared_from_this<AnswerBox> {
  public:
    explicit AnswerBox(Wakeup& wakeup) : answers_(wakeup) {}

    void deliver(std::unique_ptr<InferenceResponse> response) override;
    Inbox<std::unique_ptr<InferenceResponse>>& answers() { return answers_; }

  private:
    Inbox<std::unique_ptr<InferenceResponse>> answers_;
};

class WorkerCalls {
  public:
    // Bytes of one call's answers that lie unread: enough that a model that reads as fast as
    // another answers never waits for it.
    static constexpr uint64_t kMaxUnread = uint64_t{4} << 20;
    // Further answers of a call that may wait here. Whoever answers with bytes is made to wait long
    // before, by the blocks that do not come home; errors and answers without outputs have none.
    static constexpr size_t kMaxWaiting = 16384;

    // `door` may be null: then every call is refused.
    WorkerCalls(InferenceDoor* door, Wakeup& wakeup)
        : door_(door), box_(std::make_shared<AnswerBox>(wakeup)) {}
    ~WorkerCalls() { close(); }
    WorkerCalls(const WorkerCalls&) = delete;
    WorkerCalls& operator=(const WorkerCalls&) = delete;

    // Submits a call; when that fails, queues the answer that says so. internal when the message
    // names places that cannot be.
    Status start(InferMessage message, WorkerSession& session);
    // The worker wants no answer any more; it gets the final one all the same.
    void cancel(uint64_t call, WorkerSession& session);
    // The model has taken answers: others may follow.
    void take_read(const ReadMessage& message, WorkerSession& session);
    // Queues the answers that have come for the worker, as long as it reads them.
    void drain(WorkerSession& session);
    // True: nothing is here, and the next answer wakes the keeper.
    bool arm() { return box_->answers().arm() && next_ == taken_.size(); }

    // The worker has died: its calls are cancelled and forgotten.
    void abandon();
    // The same, for good. Idempotent.
    void close();

  private:
    struct Call {
        uint64_t handle = 0;  // the worker's
        std::shared_ptr<Cancellation> cancellation;  // shared with the request
        uint64_t unread = 0;  // charges of the answers that were sent and not taken
        std::list<std::unique_ptr<InferenceResponse>> waiting;  // answers that were not sent
    };
    using Calls = std::unordered_map<uint64_t, Call>;  // by tag

    // The next answer that has come; null: there is none.
    std::unique_ptr<InferenceResponse> next();
    static bool send_some(MessageStream& stream);
    Status submit(InferMessage& message, uint64_t tag);
    // Whether the model may be asked; a version named by its label has its number then.
    Status check(InferMessage& message) const;
    Calls::iterator call_of(uint64_t handle);
    // Ends a call whose answers nobody reads: the next is an error, and the last.
    void give_up(Call& call, InferenceResponse& latest) const;
    // Sends what the worker is to have now; forgets the call after its last answer.
    void send_answers(Calls::iterator call, WorkerSession& session);
    static void queue_answer(AnswerKey key, std::unique_ptr<InferenceResponse> response,
                             WorkerSession& session);

    InferenceDoor* const door_;
    const std::shared_ptr<AnswerBox> box_;
    uint64_t last_tag_ = 0;
    Calls calls_;
    std::vector<std::unique_ptr<InferenceResponse>> taken_;
    size_t next_ = 0;  // of taken_, what was not queued yet
};

}  // namespace tritonpy
