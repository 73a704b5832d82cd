// What a batch of so many rows takes, learned from the batches that ran.
//
// Each size that ran has a usual time: the fastest of its first few runs (the first ones of a model
// are slow, and nothing is ever faster than it can be), then a moving mean that no single run moves
// far. Between sizes that ran, time is on the line between them; below the smallest it is that of
// the smallest, above the largest it grows with the rows. A larger batch never takes less than a
// smaller one: where means say so, they are noise, and are pooled (isotonic regression). What has
// not been seen for a while is forgotten, so that one strange run of a rare size is not kept.
//
// A decision needs more than the usual time: an upper bound that holds almost always. It is the
// usual time with a margin, which has two parts. One is what runs were seen to differ from their
// usual time, kDeviations times over; it is known soon. The other is steered by what counts: it
// rises with every batch that came late and falls slowly with those that did not, so that about one
// batch in kOnTimeBatches is late. A machine with steady times ends with a small margin, and one
// with neighbours with as much as they make it need.
//
// Knows no clock and no thread: times come as numbers.
//
// Threads: compatible.
// Invariants: 1. cost_ns never falls with rows;
//             2. cost_ns is 0 for all rows until something was observed, and positive then.
// Limits: as many sizes as the model's max_batch_size; observe looks at each of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tritonpy {

class BatchCosts {
  public:
    static constexpr uint32_t kFirstRuns = 4;        // of which the fastest counts
    static constexpr uint64_t kKeepBatches = 1'000;  // how many others a size is kept for
    static constexpr double kDeviations = 4.0;
    static constexpr double kFirstMargin = 1.5;
    static constexpr double kLeastMargin = 1.1;      // while nothing is late
    static constexpr double kLateStep = 1.1;         // for a late batch
    static constexpr double kOnTimeBatches = 2'000;  // that take one step back
    static constexpr double kMostLateSteps = 4.0;    // all steps together

    // REQUIRES: max_rows >= 1.
    explicit BatchCosts(int64_t max_rows);

    // A batch of so many rows took so long, and was late though it was expected not to be, or not.
    // More than max_rows count as max_rows.
    void observe(int64_t rows, int64_t took_ns, bool late);

    // What a batch of so many rows takes at most, almost always. REQUIRES: rows >= 1.
    int64_t cost_ns(int64_t rows) const;
    // The largest batch that is done within `time_ns`; at least 1.
    int64_t rows_within(int64_t time_ns) const;

    bool know_any() const { return observed_ > 0; }
    // Whether batches of just this size ran lately, so that its cost is no guess.
    bool know(int64_t rows) const { return size_of(rows).runs > 0; }

  private:
    struct Size {
        uint32_t runs = 0;  // 0: never, or forgotten
        double usual_ns = 0;
        uint64_t last = 0;  // the observation
    };
    // Neighbouring sizes whose times were pooled.
    struct Pool {
        double weight;
        double usual_ns;
        size_t last_rows;
    };

    const Size& size_of(int64_t rows) const;
    void learn(Size& size, double took_ns);
    double margin() const;
    void forget_old();
    void pool_sizes();
    void draw_line();

    uint64_t observed_ = 0;
    double deviation_ = (kFirstMargin - 1) / kDeviations;  // of a run, as a part of its usual time
    double late_steps_ = 1.0;                              // the margin's other part, a factor
    std::vector<Size> sizes_;   // by rows; 0 is not used
    std::vector<double> line_;  // usual nanoseconds of each size, by rows
    std::vector<Pool> pools_;   // by rows, ascending
};

}  // namespace tritonpy
