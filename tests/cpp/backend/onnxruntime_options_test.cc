// Goal: a configuration's parameters become session options as Triton reads them, and the default
// threads never outnumber the cores.
// Method: the pure function on hand-made configurations.
#include "backend/onnxruntime_options.h"

#include <gtest/gtest.h>

namespace tritonpy {
namespace {

ExecutorConfig config_with(std::map<std::string, std::string> parameters) {
    ExecutorConfig config;
    config.model_name = "mlp";
    config.backend = "onnxruntime";
    config.parameters = std::move(parameters);
    return config;
}

// On a machine with so many cores, all of which the caller may use.
Result<OnnxSessionOptions> read(const ExecutorConfig& config, size_t cores) {
    return read_onnx_session_options(config, cores, cores);
}

TEST(OnnxSessionOptions, default_threads_and_instances_together_never_exceed_the_cores) {
    for (size_t cores = 1; cores <= 64; ++cores) {
        for (size_t instances = 1; instances <= 70; ++instances) {
            ExecutorConfig config = config_with({});
            config.instance_count = instances;
            auto threads = read(config, cores).value().intra_op_threads;
            ASSERT_GE(threads, 1);
            ASSERT_EQ(instances + static_cast<size_t>(threads) - 1, std::max(cores, instances));
        }
    }
}

TEST(OnnxSessionOptions, defaults_are_sequential_fully_optimised_and_do_not_spin) {
    OnnxSessionOptions options = read(config_with({}), 4).value();
    OnnxSessionOptions expected;
    expected.shares_threads = true;
    expected.intra_op_threads = 4;
    expected.config_entries = {{"session.intra_op.allow_spinning", "0"},
                               {"session.inter_op.allow_spinning", "0"}};
    EXPECT_EQ(options, expected);
    EXPECT_EQ(options.graph_optimization, ort::GraphOptimization::kAll);
    EXPECT_EQ(options.inter_op_threads, 1);
}

TEST(OnnxSessionOptions, explicit_thread_counts_are_taken_and_zero_is_the_default) {
    OnnxSessionOptions options =
        read(config_with({{"intra_op_thread_count", "3"}, {"inter_op_thread_count", "5"}}), 4)
            .value();
    EXPECT_EQ(options.intra_op_threads, 3);
    EXPECT_EQ(options.inter_op_threads, 5);
    EXPECT_FALSE(options.shares_threads);
    EXPECT_EQ(read(config_with({{"intra_op_thread_count", "0"}}), 4).value(),
              read(config_with({}), 4).value());
}

TEST(OnnxSessionOptions, models_that_say_nothing_of_threads_share_them) {
    EXPECT_TRUE(read(config_with({{"enable_mem_arena", "0"}}), 4).value().shares_threads);
    EXPECT_TRUE(read(config_with({{"intra_op_thread_count", "0"}}), 4).value().shares_threads);
    for (const std::map<std::string, std::string>& own : {
             std::map<std::string, std::string>{{"intra_op_thread_count", "4"}},
             {{"execution_mode", "1"}},
             {{"session.intra_op.allow_spinning", "1"}},
             {{"session.intra_op_thread_affinities", "1;2;3"}},
         }) {
        EXPECT_FALSE(read(config_with(own), 4).value().shares_threads) << own.begin()->first;
    }
}

TEST(OnnxSessionOptions, instances_on_every_core_share_no_threads) {
    ExecutorConfig config = config_with({});
    config.instance_count = 3;
    EXPECT_TRUE(read(config, 4).value().shares_threads);
    config.instance_count = 4;
    EXPECT_FALSE(read(config, 4).value().shares_threads);
    EXPECT_EQ(read(config, 4).value().intra_op_threads, 1);
}

TEST(OnnxSessionOptions, a_host_policy_of_some_cores_makes_a_pool_of_its_own) {
    OnnxSessionOptions options = read_onnx_session_options(config_with({}), 8, 3).value();
    EXPECT_FALSE(options.shares_threads);
    EXPECT_EQ(options.intra_op_threads, 3);
}

TEST(OnnxSessionOptions, parallel_mode_gets_inter_op_threads) {
    OnnxSessionOptions options = read(config_with({{"execution_mode", "1"}}), 4).value();
    EXPECT_EQ(options.execution_mode, ort::ExecutionMode::kParallel);
    EXPECT_EQ(options.inter_op_threads, 4);
}

TEST(OnnxSessionOptions, unknown_execution_mode_is_refused_with_tritons_text) {
    EXPECT_EQ(read(config_with({{"execution_mode", "2"}}), 4).status(),
              invalid_arg("Invalid configuration value provided. Expected values for  "
                          "execution_mode are 0 or 1 but got 2 ."));
}

TEST(OnnxSessionOptions, bad_numbers_are_refused) {
    EXPECT_EQ(read(config_with({{"enable_mem_arena", "yes"}}), 4).status(),
              invalid_arg("failed to convert 'yes' to integral number"));
    for (const char* count : {"-1", "1025"}) {
        EXPECT_EQ(
            read(config_with({{"intra_op_thread_count", count}}), 4).status(),
            invalid_arg("parameter 'intra_op_thread_count' of model 'mlp' must be a number of "
                        "threads up to 1024, 0 for the default, but got " +
                        std::string(count)));
    }
}

TEST(OnnxSessionOptions, graph_levels_are_tritons) {
    auto level = [](std::optional<int32_t> given) {
        ExecutorConfig config = config_with({});
        config.graph_optimization_level = given;
        return read(config, 4).value().graph_optimization;
    };
    EXPECT_EQ(level(std::nullopt), ort::GraphOptimization::kAll);
    EXPECT_EQ(level(0), ort::GraphOptimization::kAll);
    EXPECT_EQ(level(-1), ort::GraphOptimization::kBasic);
    EXPECT_EQ(level(1), ort::GraphOptimization::kExtended);
    EXPECT_EQ(level(2), ort::GraphOptimization::kNone);
    EXPECT_EQ(level(3), ort::GraphOptimization::kAll);
}

TEST(OnnxSessionOptions, memory_parameters_are_read) {
    OnnxSessionOptions options =
        read(config_with({{"enable_mem_arena", "0"},
                          {"enable_mem_pattern", "0"},
                          {"memory.enable_memory_arena_shrinkage", "cpu:0"}}),
             4)
            .value();
    EXPECT_FALSE(options.cpu_arena);
    EXPECT_FALSE(options.memory_pattern);
    EXPECT_EQ(options.arena_shrinkage, "cpu:0");
}

TEST(OnnxSessionOptions, session_entries_pass_through_behind_our_own) {
    OnnxSessionOptions options =
        read(config_with({{"session.intra_op.allow_spinning", "1"}, {"unrelated", "x"}}), 4)
            .value();
    ASSERT_EQ(options.config_entries.size(), 3u);
    EXPECT_EQ(options.config_entries.back(),
              (std::pair<std::string, std::string>("session.intra_op.allow_spinning", "1")));
}

}  // namespace
}  // namespace tritonpy
