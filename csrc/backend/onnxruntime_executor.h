// The onnxruntime backend: runs batches through a model's ONNX Runtime session.
//
// The first instance that is created loads the session; the others share it (onnxruntime_session.h
// says why). Only outputs that some request of the batch wants are asked for.
//
// Threads: an executor is confined(instance), the factory confined(loader). Executors of one
// factory run at the same time.
// Invariants: 1. outputs keep what they lie in alive by themselves: executor, factory and model may
//                be gone before them.
#pragma once

#include <memory>

#include "backend/executor.h"

namespace tritonpy {

// A factory of ONNX Runtime executors. Does not load the model yet. What
// read_onnx_session_options and OnnxRuntimeLibrary::open return.
//
// The factory's create: unavailable `unable to find '<path>' for model instance '<inst>'` when
// there is no model file (config.model_path, or model.onnx in it when that is a directory),
// internal `GPU instances not supported` for KIND_GPU, and what OnnxSession::open returns.
//
// An executor's execute: internal `unexpected inference input ...` or the name of a missing one,
// internal `onnx runtime error <code>: <text>`, what make_onnx_value and take_onnx_value return.
Result<std::unique_ptr<ExecutorFactory>> make_onnxruntime_factory(const ExecutorConfig& config,
                                                                  const ExecutorContext& context);

}  // namespace tritonpy
