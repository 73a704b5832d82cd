// Ensembles on one thread, with dice that decide what happens next. The same seed does the same
// again.
//
// Random graphs, nested and decoupled, with optional inputs and bounds on requests in flight, over
// models that compute (ensemble_oracle.h) and answer in any order, some at once, some through
// several answers; that fail, refuse because they are full or gone, and whose clients leave. It is
// checked that:
//   1. each request is answered once, with what the oracle says, or with a failure that there was;
//   2. no step runs that the request does not need, and none twice for the same answer;
//   3. no step has more requests at once than its ensemble allows;
//   4. the client's buffers are let go by the client, and nothing is left at the end.
//
// Threads: compatible.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ensemble_oracle.h"
#include "infer/inference_door.h"
#include "infer/response.h"
#include "scheduler/ensemble_scheduler.h"
#include "simulated_version.h"

namespace tritonpy {

class EnsembleSimulation final : private ResponseSink, private InferenceDoor {
  public:
    explicit EnsembleSimulation(uint64_t seed);
    // Runs to the end. Empty when all held; otherwise what did not, one a line.
    std::string run();
    // Requests that were answered as the oracle says, not with a failure.
    uint64_t succeeded() const { return succeeded_; }

  private:
    // An ensemble that takes requests, and where its answers go.
    struct Ensemble final : EnsembleOutlet {
        void respond(const InferenceRequest& request,
                     std::unique_ptr<InferenceResponse> response) override;
        void finish(std::unique_ptr<InferenceRequest> request,
                    std::unique_ptr<InferenceResponse> response) override;
        ModelIdentity identity;
        std::unique_ptr<EnsembleScheduler> scheduler;
        bool is_gone = false;  // unloaded
    };
    // A request that a client sent.
    struct Sent {
        std::shared_ptr<Cancellation> cancellation;
        ExpectedResult expected;
        std::vector<Numbers> answers;
        std::multiset<std::string> calls;  // of models that compute
        bool may_fail = false;             // somebody refused, or its client left
    };
    // A request that a model has, and what it has still to answer.
    struct Held {
        std::unique_ptr<InferenceRequest> request;
        const SimulatedModel* model;
        std::optional<std::vector<Numbers>> answers;
        size_t given = 0;
    };

    void deliver(std::unique_ptr<InferenceResponse> response) override;
    Status infer(std::unique_ptr<InferenceRequest>& request) override;
    Result<std::shared_ptr<const ModelIdentity>> model_identity(std::string_view,
                                                                int64_t) const override;
    Result<int64_t> labelled_version(std::string_view, std::string_view) const override;

    void make_models();
    SimulatedModel random_model(const std::string& name);
    SimulatedModel random_ensemble(const std::string& name);
    void open(const SimulatedModel& model);
    void send();
    void answer_one();
    void answer(Held held);
    Tensor number_tensor(const std::string& name, int64_t number, bool of_client);
    Sent& sent_of(const InferenceRequest& request);
    void check(Sent& sent, const InferenceResponse& response);
    void violate(const std::string& text) { violations_ += text + "\n"; }

    Dice dice_;
    SimulatedModels models_;
    std::vector<std::string> names_;  // models_, in the order in which they were made
    std::map<std::string, std::unique_ptr<Ensemble>> ensembles_;
    std::map<std::string, uint32_t> limits_;  // of models that compute, by their ensemble
    std::map<std::string, uint32_t> running_;
    std::vector<Held> held_;
    std::map<uint64_t, Sent> sent_;
    uint64_t next_tag_ = 1;
    uint64_t succeeded_ = 0;
    int64_t buffers_ = 0;  // not let go
    bool at_home_ = false;  // the client is letting go of a request
    std::string violations_;
};

}  // namespace tritonpy
