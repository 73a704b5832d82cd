// Goal: counters mean what the statistics extension says, summed over instances.
// Method: batches with hand-made traces go into cells; the snapshot is compared number by number.
// One test lets threads write their cells while another reads.
#include "model/model_stats.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "support/request_builder.h"

namespace tritonpy {
namespace {

// Requests of so many rows each: taken at 0, queued at 10, run from 100 to 160.
Batch ran(const std::vector<int64_t>& rows) {
    Batch batch;
    for (int64_t count : rows) {
        std::unique_ptr<InferenceRequest> request = make_rows_request(count);
        request->trace = {.request_start_ns = 0,
                          .queue_start_ns = 10,
                          .compute_start_ns = 100,
                          .compute_input_end_ns = 110,
                          .compute_output_start_ns = 140,
                          .compute_end_ns = 160};
        batch.add(std::move(request));
    }
    return batch;
}

TEST(ModelStats, starts_at_zero) {
    ModelStats stats;
    stats.add_cell();
    ModelStatsSnapshot snapshot = stats.snapshot();
    EXPECT_EQ(snapshot.last_inference_ms, 0u);
    EXPECT_EQ(snapshot.success, DurationCount{});
    EXPECT_EQ(snapshot.fail, DurationCount{});
    EXPECT_TRUE(snapshot.batch_stats.empty());
}

TEST(ModelStats, counts_requests_rows_and_batches_apart) {
    ModelStats stats;
    ModelStats::Cell& first = stats.add_cell();
    ModelStats::Cell& second = stats.add_cell();
    first.count_executed(ran({1, 2}));
    first.count_executed(ran({4}));
    second.count_executed(ran({3}));

    ModelStatsSnapshot snapshot = stats.snapshot();
    EXPECT_EQ(snapshot.inference_count, 10u);
    EXPECT_EQ(snapshot.execution_count, 3u);
    EXPECT_EQ(snapshot.success, (DurationCount{4, 4 * 160}));
    EXPECT_EQ(snapshot.queue, (DurationCount{4, 4 * 90}));
    EXPECT_EQ(snapshot.compute_input, (DurationCount{4, 4 * 10}));
    EXPECT_EQ(snapshot.compute_infer, (DurationCount{4, 4 * 30}));
    EXPECT_EQ(snapshot.compute_output, (DurationCount{4, 4 * 20}));
    ASSERT_EQ(snapshot.batch_stats.size(), 2u);
    EXPECT_EQ(snapshot.batch_stats[3], (BatchSizeStats{{2, 20}, {2, 60}, {2, 40}}));
    EXPECT_EQ(snapshot.batch_stats[4], (BatchSizeStats{{1, 10}, {1, 30}, {1, 20}}));
    EXPECT_GT(snapshot.last_inference_ms, 1'600'000'000'000u);
}

TEST(ModelStats, counts_failures_by_reason) {
    ModelStats stats;
    stats.count_failure(FailureReason::kRejected, 5);
    stats.count_failure(FailureReason::kBackend, 7);
    stats.count_failure(FailureReason::kBackend, 8);
    stats.count_failure(FailureReason::kCanceled, 0);
    ModelStatsSnapshot snapshot = stats.snapshot();
    EXPECT_EQ(snapshot.fail, (DurationCount{4, 20}));
    EXPECT_EQ(snapshot.failures_by_reason, (std::array<uint64_t, kFailureReasons>{1, 1, 2, 0}));
    EXPECT_EQ(snapshot.success.count, 0u);
    EXPECT_EQ(snapshot.last_inference_ms, 0u);
}

TEST(ModelStats, a_reader_sees_whole_batches_while_instances_count) {
    constexpr uint64_t kBatches = 2000;
    ModelStats stats;
    ModelStats::Cell& first = stats.add_cell();
    ModelStats::Cell& second = stats.add_cell();
    auto count = [](ModelStats::Cell& cell) {
        Batch batch = ran({2, 3});
        for (uint64_t i = 0; i < kBatches; ++i) {
            cell.count_executed(batch);
        }
    };
    std::thread one([&] { count(first); });
    std::thread two([&] { count(second); });
    ModelStatsSnapshot snapshot;
    do {
        snapshot = stats.snapshot();
        ASSERT_EQ(snapshot.inference_count, 5 * snapshot.execution_count);
        ASSERT_EQ(snapshot.success.count, 2 * snapshot.execution_count);
        ASSERT_EQ(snapshot.batch_stats[5].compute_infer.count, snapshot.execution_count);
    } while (snapshot.execution_count < 2 * kBatches);
    one.join();
    two.join();
}

}  // namespace
}  // namespace tritonpy
