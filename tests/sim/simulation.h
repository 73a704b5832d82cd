// The whole core on one thread: a server without instance threads, a clock that moves by hand, and
// dice that decide what happens next. The same seed does the same again.
//
// Requests of all kinds arrive, are cancelled, pile up and are refused; instances take and
// complete batches in any order and in the middle of each other; versions are published, replaced,
// unloaded and fail to load; the server is drained, sometimes early. After each step and at the
// end the simulation compares what the core did with its own bookkeeping:
//   1. every request taken is answered exactly once, with its own data or the status it earned, by
//      the version that took it; a request refused is given back as it was, with the right text;
//   2. no batch has more rows than the model allows;
//   3. responses keep arrival order where the model promises it;
//   4. nothing waits in the queue that an idle instance would not take, and no wait outlasts its
//      time;
//   5. unloading and draining answer everything;
//   6. statistics add up.
//
// Threads: compatible.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "infer/response.h"
#include "server/inference_server.h"
#include "simulated_version.h"

namespace tritonpy {

class Simulation final : private ResponseSink {
  public:
    explicit Simulation(uint64_t seed);
    // Runs to the end. Empty when all held; otherwise what did not, one a line.
    std::string run();
    // Requests that were taken in the run.
    uint64_t taken() const { return taken_; }

  private:
    // A request that the core has taken and not answered.
    struct Sent {
        SimulatedVersion* version = nullptr;
        std::shared_ptr<Cancellation> cancellation;
        std::vector<Tensor> inputs;        // as they were sent; the buffers are shared
        std::vector<std::string> outputs;  // that it must get
        std::optional<Status> outcome;     // once it ran
    };

    void deliver(std::unique_ptr<InferenceResponse> response) override;

    void step();
    void send();
    void step_instance();
    void note_dropped(SimulatedVersion& version, const Sent& sent, const Status& status);
    void check_pull(SimulatedVersion& version, ModelInstance& instance, const Pull& pull);
    void cancel();
    void publish();
    void finish();

    std::string random_name();
    std::unique_ptr<InferenceRequest> random_request();
    Status expected_refusal(const InferenceRequest& request) const;
    SimulatedVersion* version_of(const std::string& name, int64_t version) const;
    void note_taken(SimulatedVersion& version, Sent sent, uint64_t tag);
    std::unique_ptr<Model> build(const std::string& name, int64_t version,
                                 std::vector<SimulatedVersion*>& built);
    void check_outputs(const Sent& sent, const InferenceResponse& response);
    void check_statistics(const SimulatedVersion& version);
    void check_final_statistics(const SimulatedVersion& version);
    void violate(const std::string& text);

    Dice dice_;
    ManualClock clock_;
    Log log_;

    // What the registry should look like: null for known versions that are not ready.
    std::map<std::string, std::map<int64_t, SimulatedVersion*>> published_;
    std::vector<std::unique_ptr<SimulatedVersion>> versions_;  // every one there ever was
    bool closed_ = false;

    std::map<uint64_t, Sent> sent_;  // by tag
    uint64_t next_tag_ = 1;
    uint64_t taken_ = 0;
    std::string violations_;

    // Last, so that it answers what it has before what it uses goes.
    std::unique_ptr<InferenceServer> server_;
};

}  // namespace tritonpy
