// Goal: the factory knows every backend by name, and says what is missing where one cannot work.
// Method: make_executor_factory in a context without ONNX Runtime.
#include <gtest/gtest.h>

#include "backend/executor.h"

namespace tritonpy {
namespace {

struct Context {
    SteadyClock clock;
    Log log;
    BlockPool pool;
    ExecutorContext executor{clock, log, pool, ""};
};

TEST(ExecutorFactory, identity_needs_nothing) {
    Context context;
    ExecutorConfig config;
    config.backend = "identity";
    EXPECT_TRUE(make_executor_factory(config, context.executor).ok());
}

TEST(ExecutorFactory, onnxruntime_without_its_library_is_unavailable) {
    Context context;
    ExecutorConfig config;
    config.backend = "onnxruntime";
    EXPECT_EQ(make_executor_factory(config, context.executor).status(),
              unavailable("backend 'onnxruntime' needs the Python package onnxruntime, which is "
                          "not installed"));
}

TEST(ExecutorFactory, library_that_is_none_is_unavailable_and_named) {
    Context context;
    context.executor.onnxruntime_library = "/nowhere/libonnxruntime.so";
    ExecutorConfig config;
    config.backend = "onnxruntime";
    Status status = make_executor_factory(config, context.executor).status();
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_TRUE(status.message().starts_with(
        "unable to load ONNX Runtime from '/nowhere/libonnxruntime.so': "))
        << status.message();
}

TEST(ExecutorFactory, unknown_backend_is_refused) {
    Context context;
    ExecutorConfig config;
    config.backend = "fortran";
    EXPECT_EQ(make_executor_factory(config, context.executor).status(),
              invalid_arg("unable to find backend library for backend 'fortran', try specifying "
                          "runtime on the model configuration."));
}

}  // namespace
}  // namespace tritonpy
