// What models borrow from a server, for tests that make models without one.
//
// Threads: compatible. Owns: clock, log, pool, sink; outlives the models made with it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "memory/block_pool.h"
#include "model/model.h"
#include "queue/parking.h"
#include "support/collecting_sink.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {

struct ModelFixture {
    ManualClock clock{1000};
    Log log;
    BlockPool pool;
    Parking all_answered;
    CollectingSink sink;
    bool start_threads = false;
    AnswerCache* response_cache = nullptr;
    RateLimiter* rate_limiter = nullptr;
    const HostPolicies* host_policies = nullptr;

    Result<std::unique_ptr<Model>> try_make(const ModelConfig& config,
                                            const ExecutorFactoryMaker& maker) {
        return Model::create(config,
                             {{clock, log, pool, ""},
                              maker,
                              all_answered,
                              start_threads,
                              response_cache,
                              rate_limiter,
                              host_policies});
    }

    // REQUIRES: the config is good.
    std::unique_ptr<Model> make(const ModelConfig& config, ExecuteFunction execute = echo) {
        const ExecutorFactoryMaker maker = scripted(std::move(execute));
        auto model = try_make(config, maker);
        TRITONPY_CHECK(model.ok());
        return std::move(model).value();
    }

    // A request of `rows` rows of make_config's input, whose values count up from `tag`.
    std::unique_ptr<InferenceRequest> request(int64_t rows, uint64_t tag = 0) {
        return make_rows_request(rows, &sink, tag);
    }

    Status infer(Model& model, std::unique_ptr<InferenceRequest> one) { return model.infer(one); }
};

}  // namespace tritonpy
