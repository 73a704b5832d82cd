// How a model's session is to be set up, read from its configuration.
//
// Threads, in numbers. Beside the instance threads that call into a session there are intra-op
// threads; `intra_op_threads` counts the caller. However many models there are, those that leave it
// to us share one pool of the process, cores - 1 threads, so that the threads that could run at
// once are the busy instances and these. A model with an instance for every core uses no pool at
// all: its batches would wait for threads that are other batches' instances. ONNX Runtime's own
// default would be a pool as large as the machine for every model.
//
// A model has a pool of its own when its configuration speaks of threads: with
// `intra_op_thread_count` (taken as it is: how many threads one batch may use), `execution_mode` 1
// or any `session.intra_op...`; and when its host policy keeps it on some of the cores, where the
// pool must be too. Without a number that pool has cores - n threads for n instances.
//
// One pool against two, two cores, MiniLM (8-bit, 16 tokens) and a convolutional network at once,
// one instance each, requests a second of both and MiniLM's median latency (of three rounds):
//     1 client each     from  91 and 19.2 to 108 and 20.8, from 10.4 ms to  8.0 ms
//     8 clients each    from 145 and 21.8 to 150 and 24.1, from 54.5 ms to 49.7 ms
// and alone either is what it was: 150 and 177, 247 and 256; 32.1 and 31.6, 39.0 and 39.1.
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
    // Whether it runs on the process's threads; then the next number says how many those are.
    bool shares_threads = false;
    int intra_op_threads = 1;
    int inter_op_threads = 1;  // only used in parallel execution mode
    ort::ExecutionMode execution_mode = ort::ExecutionMode::kSequential;
    ort::GraphOptimization graph_optimization = ort::GraphOptimization::kAll;
    bool cpu_arena = true;
    bool memory_pattern = true;
    // Key and value as ONNX Runtime documents them; later ones win.
    std::vector<std::pair<std::string, std::string>> config_entries;
    // Shared libraries that export RegisterCustomOps, by path or by a name that the loader finds.
    std::vector<std::string> op_libraries;
    // Devices whose arenas give their idle memory back after every run, e.g. "cpu:0"; empty: none.
    std::string arena_shrinkage;

    friend bool operator==(const OnnxSessionOptions&, const OnnxSessionOptions&) = default;
};

// The options that `config` asks for on a machine with `cores` cores, of which this thread may use
// `usable`. Triton's parameters are known: intra_op_thread_count, inter_op_thread_count (0: our
// default), execution_mode, enable_mem_arena, enable_mem_pattern,
// memory.enable_memory_arena_shrinkage; every parameter that begins with "session." goes to ONNX
// Runtime as it is; others are not ours. invalid_arg for a bad value.
Result<OnnxSessionOptions> read_onnx_session_options(const ExecutorConfig& config, size_t cores,
                                                     size_t usable);

}  // namespace tritonpy
