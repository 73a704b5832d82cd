// Goal: whatever comes in whatever order, the sequence batcher keeps its promises. Method: dice
// decide what happens next to a batcher without threads, on a clock that moves by hand: requests of
// all kinds come, are cancelled and time out; instances take batches, answer them in part, fail and
// die; the scheduler is stopped, sometimes early. The same seed does the same again.
// Watched after each step:
//   1. every request taken is answered exactly once, and with a status that it can have earned;
//   2. requests of a sequence run in the order of their arrival, one at a time, in one slot;
//   3. a slot has one sequence, a direct batch has each request in its slot's row;
//   4. what waits is run in the end, without another arrival, and nothing is left behind.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "memory/block_pool.h"
#include "queue/parking.h"
#include "scheduler/sequence_batcher.h"
#include "seeds.h"
#include "simulated_version.h"

namespace tritonpy {
namespace {

constexpr int64_t kUs = 1'000;
constexpr uint32_t kStart = InferenceRequest::kSequenceStart;
constexpr uint32_t kEnd = InferenceRequest::kSequenceEnd;

class SequenceSimulation final : private ResponseSink {
  public:
    SequenceSimulation(uint64_t seed, SequenceConfig::Strategy strategy)
        : dice_(seed),
          config_(random_config(strategy)),
          batcher_(config_, clock_, pool_),
          alive_(config_.instance_count, true) {}

    // Empty when all held.
    std::string run() {
        for (int64_t steps = dice_.roll(5, 60); steps > 0 && violations_.empty(); --steps) {
            step();
        }
        finish();
        return violations_;
    }

  private:
    // What clients call one sequence; after an END the same id is another.
    using SequenceKey = std::pair<uint64_t, uint64_t>;
    struct Sent {
        SequenceKey sequence;
        uint32_t flags = 0;
        int64_t expires_ns = INT64_MAX;
        std::shared_ptr<Cancellation> cancellation;
    };
    struct History {
        uint64_t last_run = 0;  // tag
        size_t slot = InferenceRequest::kNoSlot;
        bool in_flight = false;
        bool cancelled = false;
        bool lost = false;
        int64_t expires_ns = INT64_MAX;
    };

    SequenceConfig random_config(SequenceConfig::Strategy strategy) {
        SequenceConfig config;
        config.model_name = "m";
        config.strategy = strategy;
        config.instance_count = static_cast<size_t>(dice_.roll(1, 3));
        config.max_batch_size = dice_.roll(0, 4);
        config.max_candidate_sequences = static_cast<size_t>(dice_.roll(1, 4));
        config.max_idle_us = dice_.roll(50, 400);
        config.max_queue_delay_us = dice_.one_in(2) ? dice_.roll(1, 100) : 0;
        config.min_slot_utilization = dice_.one_in(2) ? 0.5 : 0;
        config.preserve_ordering = dice_.one_in(3);
        config.iterative = dice_.one_in(4);
        config.controls = {{SequenceControl::Kind::kReady, "READY", DataType::kInt32, 0, 1}};
        if (dice_.one_in(2)) {
            config.states = {{"IN", "OUT", DataType::kInt32, {1}, {1}, ""}};
        }
        return config;
    }

    void violate(const std::string& text) { violations_ += text + "\n"; }

    void deliver(std::unique_ptr<InferenceResponse> response) override {
        const uint64_t tag = response->request->tag;
        auto sent = sent_.find(tag);
        if (sent == sent_.end()) {
            violate("request " + std::to_string(tag) + " was answered twice");
            return;
        }
        check_status(sent->second, response->status);
        sent_.erase(sent);
    }

    void check_status(const Sent& sent, const Status& status) {
        History& history = histories_[sent.sequence];
        if (status.ok() || status.code() == StatusCode::kInternal) {
            return;  // it ran
        }
        history.slot = InferenceRequest::kNoSlot;  // what was dropped may have begun another
        const std::string text(status.message());
        const bool earned =
            status.code() == StatusCode::kCancelled
                ? history.cancelled
            : text == "timeout of the corresponding sequence has been expired"
                ? clock_.now_ns() >= history.expires_ns
                : text == "dead" && history.lost;
        if (!earned) {
            violate("unearned status: " + text);
        }
    }

    void step() {
        switch (dice_.roll(0, 9)) {
            case 0:
            case 1:
            case 2: send(); break;
            case 3:
            case 4:
            case 5: pull(random_instance()); break;
            case 6:
                answer(dice_.roll(0, 3));
                watch();
                break;
            case 7: clock_.advance_ns(dice_.roll(1, 120) * kUs); break;
            case 8: cancel(); break;
            default: misfortune(); break;
        }
    }

    size_t random_instance() {
        return static_cast<size_t>(dice_.roll(0, static_cast<int64_t>(alive_.size()) - 1));
    }

    void send() {
        const auto id = static_cast<uint64_t>(dice_.roll(1, 6));
        std::vector<int64_t> values(static_cast<size_t>(dice_.one_in(8) ? 2 : 1));
        auto request = std::make_unique<InferenceRequest>();
        request->correlation_id = id;
        request->flags = (dice_.one_in(3) ? kStart : 0) | (dice_.one_in(4) ? kEnd : 0);
        request->timeout_us = dice_.one_in(4) ? static_cast<uint64_t>(dice_.roll(1, 200)) : 0;
        request->cancellation = std::make_shared<Cancellation>();
        request->sink = this;
        request->tag = next_tag_++;
        Tensor input{"X", DataType::kInt64, {1, static_cast<int64_t>(values.size())}, {}, {}};
        input.buffer = pool_.allocate(values.size() * sizeof(int64_t)).value();
        input.data = {input.buffer->data(), input.buffer->size()};
        request->inputs.push_back(std::move(input));
        const uint64_t tag = request->tag;
        Sent sent{{id, epochs_[id]}, request->flags, INT64_MAX, request->cancellation};
        if (request->timeout_us > 0) {
            sent.expires_ns =
                clock_.now_ns() + static_cast<int64_t>(request->timeout_us) * kUs;
        }
        const bool ends = (request->flags & kEnd) != 0;
        const bool starts = config_.iterative || (request->flags & kStart) != 0;
        const Status status = batcher_.enqueue(request, clock_.now_ns());
        if (status.ok() != (request == nullptr)) {
            violate("taken and refused at once");
        }
        if (!status.ok()) {
            if (starts) {
                violate("a START was refused: " + std::string(status.message()));
            }
            return;
        }
        History& history = histories_[sent.sequence];
        history.expires_ns = std::min(history.expires_ns, sent.expires_ns);
        sent_.emplace(tag, std::move(sent));
        epochs_[id] += ends ? 1 : 0;
    }

    void cancel() {
        if (sent_.empty()) {
            return;
        }
        auto chosen = sent_.lower_bound(
            static_cast<uint64_t>(dice_.roll(1, static_cast<int64_t>(next_tag_))));
        Sent& sent = chosen == sent_.end() ? sent_.begin()->second : chosen->second;
        sent.cancellation->requested = true;
        histories_[sent.sequence].cancelled = true;
    }

    Pull watch() {
        std::vector<DroppedRequest> dropped;
        const Pull watched = batcher_.try_expire(clock_.now_ns(), dropped);
        answer_dropped(dropped);
        return watched;
    }

    Pull pull(size_t instance) {
        Batch batch;
        std::vector<DroppedRequest> dropped;
        const Pull pulled = batcher_.try_pull(instance, clock_.now_ns(), batch, dropped);
        answer_dropped(dropped);
        const auto max_rows = static_cast<size_t>(std::max<int64_t>(config_.max_batch_size, 1));
        if (batch.requests.size() > max_rows ||
            (pulled.kind == Pull::Kind::kBatch) == batch.requests.empty()) {
            violate("a batch of " + std::to_string(batch.requests.size()));
        }
        for (const auto& request : batch.requests) {
            if (!may_share_batch(*batch.requests.front(), *request)) {
                violate("requests of different shapes in a batch");
            }
        }
        bool any_real = false;
        for (size_t row = 0; row < batch.requests.size(); ++row) {
            std::unique_ptr<InferenceRequest>& request = batch.requests[row];
            if (!request->is_null) {
                any_real = true;
                note_running(instance, row, *request);
                running_.push_back(std::move(request));
            }
        }
        if (!batch.requests.empty() && !any_real) {
            violate("a batch of null requests");
        }
        return pulled;
    }

    void note_running(size_t instance, size_t row, const InferenceRequest& request) {
        const Sent& sent = sent_.at(request.tag);
        History& history = histories_[sent.sequence];
        const size_t slot = request.sequence_slot;
        const bool goes_on =
            (request.flags & kStart) == 0 && history.slot != InferenceRequest::kNoSlot;
        if (history.in_flight || request.tag < history.last_run) {
            violate("request " + std::to_string(request.tag) + " ran out of order");
        }
        if (goes_on && slot != history.slot) {
            violate("a sequence changed its slot");
        }
        if (slot / config_.slot_count() != instance || !slots_in_use_.insert(slot).second) {
            violate("slot " + std::to_string(slot) + " is not free, or another instance's");
        }
        if (config_.strategy == SequenceConfig::Strategy::kDirect &&
            slot % config_.slot_count() != row) {
            violate("a request is not in the row of its slot");
        }
        history.last_run = request.tag;
        history.slot = slot;
        history.in_flight = true;
    }

    void answer(int64_t count) {
        for (; count > 0 && !running_.empty(); --count) {
            const auto index = static_cast<size_t>(
                dice_.roll(0, static_cast<int64_t>(running_.size()) - 1));
            std::swap(running_[index], running_.back());
            std::unique_ptr<InferenceRequest> request = std::move(running_.back());
            running_.pop_back();
            slots_in_use_.erase(request->sequence_slot);
            histories_[sent_.at(request->tag).sequence].in_flight = false;
            if (config_.iterative && dice_.one_in(2) && batcher_.reschedule(request).ok()) {
                continue;
            }
            auto response = std::make_unique<InferenceResponse>();
            if (dice_.one_in(5)) {
                response->status = internal_error("dice");
            } else if (!config_.states.empty()) {
                Tensor state = request->inputs.back();
                state.name = "OUT";
                request->next_states.push_back(std::move(state));
            }
            response->request = std::move(request);
            batcher_.deliver(std::move(response));
        }
    }

    void answer_dropped(std::vector<DroppedRequest>& dropped) {
        for (DroppedRequest& one : dropped) {
            auto response = std::make_unique<InferenceResponse>();
            response->status = std::move(one.status);
            response->request = std::move(one.request);
            batcher_.deliver(std::move(response));
        }
        dropped.clear();
    }

    void misfortune() {
        const size_t instance = random_instance();
        if (alive_[instance]) {
            fail_running(instance);
        }
        alive_[instance] = !alive_[instance];
        std::vector<DroppedRequest> dropped;
        batcher_.set_available(instance, alive_[instance], unavailable("dead"), dropped);
        for (const DroppedRequest& one : dropped) {
            histories_[sent_.at(one.request->tag).sequence].lost = true;
        }
        answer_dropped(dropped);
    }

    // What a dead instance had is failed before anything else of it.
    void fail_running(size_t instance) {
        for (std::unique_ptr<InferenceRequest>& request : running_) {
            if (request->sequence_slot / config_.slot_count() != instance) {
                continue;
            }
            slots_in_use_.erase(request->sequence_slot);
            histories_[sent_.at(request->tag).sequence].in_flight = false;
            auto response = std::make_unique<InferenceResponse>();
            response->status = internal_error("died");
            response->request = std::move(request);
            batcher_.deliver(std::move(response));
        }
        std::erase(running_, nullptr);
    }

    // With no more arrivals everything ends: by itself, or because the scheduler is stopped.
    void finish() {
        const bool is_stopped = dice_.one_in(2);
        for (size_t instance = 0; instance < alive_.size(); ++instance) {
            std::vector<DroppedRequest> dropped;
            batcher_.set_available(instance, true, Status(), dropped);
        }
        if (is_stopped) {
            batcher_.stop();
        }
        for (int rounds = 0; rounds < 2'000 && violations_.empty(); ++rounds) {
            bool moved = false;
            const Pull watched = watch();
            int64_t wait_until_ns = watched.kind == Pull::Kind::kWait ? watched.wait_until_ns
                                                                      : INT64_MAX;
            bool all_stopped = true;
            for (size_t instance = 0; instance < alive_.size(); ++instance) {
                const Pull pulled = pull(instance);
                moved = moved || pulled.kind == Pull::Kind::kBatch;
                all_stopped = all_stopped && pulled.kind == Pull::Kind::kStopped;
                if (pulled.kind == Pull::Kind::kWait) {
                    wait_until_ns = std::min(wait_until_ns, pulled.wait_until_ns);
                }
            }
            moved = moved || !running_.empty();
            answer(static_cast<int64_t>(running_.size()));
            if (is_stopped ? all_stopped : !moved && wait_until_ns == INT64_MAX) {
                if (is_stopped && watch().kind != Pull::Kind::kStopped) {
                    violate("the watch does not end");
                }
                check_end();
                return;
            }
            if (!moved && wait_until_ns > clock_.now_ns() && wait_until_ns != INT64_MAX) {
                clock_.advance_ns(wait_until_ns - clock_.now_ns());
            }
        }
        violate("it does not end");
    }

    void check_end() {
        if (!sent_.empty()) {
            violate("request " + std::to_string(sent_.begin()->first) + " was never answered");
        }
        if (batcher_.queued() != 0 || !running_.empty()) {
            violate("something is left");
        }
    }

    Dice dice_;
    ManualClock clock_{1'000'000};
    BlockPool pool_;
    const SequenceConfig config_;
    SequenceBatcher batcher_;
    std::vector<bool> alive_;

    uint64_t next_tag_ = 1;
    std::map<uint64_t, uint64_t> epochs_;  // by id
    std::map<uint64_t, Sent> sent_;        // taken and not answered, by tag
    std::map<SequenceKey, History> histories_;
    std::vector<std::unique_ptr<InferenceRequest>> running_;
    std::set<size_t> slots_in_use_;
    std::string violations_;
};

void simulate(SequenceConfig::Strategy strategy) {
    const auto [first, count] = seeds_to_run(10'000);
    for (uint64_t seed = first; seed < first + count; ++seed) {
        const std::string violations = SequenceSimulation(seed, strategy).run();
        ASSERT_EQ(violations, "") << "with seed " << seed;
    }
}

TEST(SequenceSimulation, direct_sequences_keep_their_promises) {
    simulate(SequenceConfig::Strategy::kDirect);
}

TEST(SequenceSimulation, oldest_sequences_keep_their_promises) {
    simulate(SequenceConfig::Strategy::kOldest);
}

}  // namespace
}  // namespace tritonpy
