// Goal: the declaration of ONNX Runtime's table fits the library that is installed.
// Method: open it and call through positions whose results are known; the other positions are held
// by the executor and signature tests, which fail if any is off.
#include "backend/onnxruntime_library.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "backend/onnxruntime/onnx_fixture.h"
#include "base/thread.h"

namespace tritonpy {
namespace {

TEST(OnnxRuntimeLibrary, opens_and_knows_its_release) {
    auto library = OnnxRuntimeLibrary::open(kOnnxRuntimeLibrary);
    ASSERT_TRUE(library.ok()) << library.status().message();
    EXPECT_TRUE(library.value()->version().starts_with("1.")) << library.value()->version();
    EXPECT_NE(library.value()->env(), nullptr);
    EXPECT_NE(library.value()->cpu_memory(), nullptr);
    EXPECT_NE(library.value()->allocator(), nullptr);
}

TEST(OnnxRuntimeLibrary, opens_again_after_the_last_holder_has_gone) {
    for (int round = 0; round < 3; ++round) {
        auto first = OnnxRuntimeLibrary::open(kOnnxRuntimeLibrary);
        auto second = OnnxRuntimeLibrary::open(kOnnxRuntimeLibrary);
        ASSERT_TRUE(first.ok() && second.ok());
        EXPECT_EQ(first.value()->env(), second.value()->env());
    }
}

// Models used to release the environment with their last count, and ONNX Runtime then refused a
// model that was being loaded meanwhile: "Only one instance of LoggingManager ...".
TEST(OnnxRuntimeLibrary, opens_while_others_close) {
    std::atomic<int> failures{0};
    {
        std::vector<std::unique_ptr<Thread>> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.push_back(std::make_unique<Thread>("opener", [&failures] {
                for (int round = 0; round < 200; ++round) {
                    failures += OnnxRuntimeLibrary::open(kOnnxRuntimeLibrary).ok() ? 0 : 1;
                }
            }));
        }
    }
    EXPECT_EQ(failures, 0);
}

TEST(OnnxRuntimeLibrary, error_becomes_internal_with_code_and_text) {
    auto library = OnnxRuntimeLibrary::open(kOnnxRuntimeLibrary).value();
    EXPECT_EQ(library->call(ort::kCreateError, 9, "not implemented, alas"),
              internal_error("onnx runtime error 9: not implemented, alas"));
}

TEST(OnnxRuntimeLibrary, library_without_the_symbol_is_unavailable) {
    Status status = OnnxRuntimeLibrary::open("libm.so.6").status();
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_TRUE(status.message().starts_with("'libm.so.6' is not ONNX Runtime: "))
        << status.message();
}

}  // namespace
}  // namespace tritonpy
