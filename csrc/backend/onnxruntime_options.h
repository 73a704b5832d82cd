// How a model's session is to be set up, read from its configuration.
//
// Threads of one session, in numbers. A session has one pool of intra-op threads beside the
// instance threads that call into it; `intra_op_threads` counts the caller, so n instances run on
// at most n + intra_op_threads - 1 threads. The default is therefore cores - n + 1, at least 1: all
// cores for one instance, no pool at all once every core has an instance, never more threads than
// cores. ONNX Runtime's own default would be a pool as large as the machine whatever the instances.
// An explicit `intra_op_thread_count` is taken as it is: how many threads one batch may use.
//
// Pool threads do not spin while they wait for work. With spinning as ONNX Runtime has it by
// default, two cores under load and a pool of two, CPU per batch and median latency went
//     MiniLM (8-bit), 1 x 32 tokens    from 14.7 ms to 31 ms and from 45 ms to 101 ms
//     MiniLM (8-bit), 8 x 64 tokens    from 197 ms to 290 ms and from 660 ms to 1000 ms
//     8x8 digit network, 64 rows       from 26 us to 44 us and from 26 us to 18 us
//     8x8 digit network, 1 row         from 6.5 us to 15 us and 5.6 us both
// A server runs more than one thing at a time, so CPU is what counts; a model that has the machine
// to itself can set `session.intra_op.allow_spinning` to 1. A network that small does best with
// `intra_op_thread_count` 1 (16.5 us of CPU and 15 us for the 64 rows).
//
// Threads: compatible. A value.
// Limits: kMaxOnnxThreads threads a pool.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "backend/executor.h"
#include "backend/onnxruntime_abi.h"
#include "base/result.h"

namespace tritonpy {

inline constexpr int kMaxOnnxThreads = 1024;

struct OnnxSessionOptions {
    int intra_op_threads = 1;
    int inter_op_threads = 1;  // only used in parallel execution mode
    ort::ExecutionMode execution_mode = ort::ExecutionMode::kSequential;
    ort::GraphOptimization graph_optimization = ort::GraphOptimization::kAll;
    bool cpu_arena = true;
    bool memory_pattern = true;
    // Key and value as ONNX Runtime documents them; later ones win.
    std::vector<std::pair<std::string, std::string>> config_entries;
    // Devices whose arenas give their idle memory back after every run, e.g. "cpu:0"; empty: none.
    std::string arena_shrinkage;

    friend bool operator==(const OnnxSessionOptions&, const OnnxSessionOptions&) = default;
};

// The options that `config` asks for on a machine with `cores` cores. Triton's parameters are
// known: intra_op_thread_count, inter_op_thread_count (0: our default), execution_mode,
// enable_mem_arena, enable_mem_pattern, memory.enable_memory_arena_shrinkage; every parameter that
// begins with "session." goes to ONNX Runtime as it is; others are not ours. invalid_arg for a bad
// value.
Result<OnnxSessionOptions> read_onnx_session_options(const ExecutorConfig& config, size_t cores);

}  // namespace tritonpy
