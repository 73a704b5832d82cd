#include "scheduler/batch_costs.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tritonpy {
namespace {

constexpr double kNews = 0.1;  // how much of a mean the newest run is
constexpr double kNewsOfDeviation = 0.02;
constexpr double kFarthest = 1.5;         // of the mean: how far a run counts from it
constexpr double kFarthestDeviation = 1;  // the same of the deviation
constexpr uint32_t kMostWeight = 16;  // runs, when sizes are pooled

}  // namespace

BatchCosts::BatchCosts(int64_t max_rows)
    : sizes_(static_cast<size_t>(max_rows) + 1), line_(sizes_.size(), 0.0) {
    TRITONPY_CHECK(max_rows >= 1);
    pools_.reserve(sizes_.size());
}

const BatchCosts::Size& BatchCosts::size_of(int64_t rows) const {
    return sizes_[std::min(static_cast<size_t>(rows), sizes_.size() - 1)];
}

void BatchCosts::observe(int64_t rows, int64_t took_ns, bool late) {
    TRITONPY_CHECK(rows >= 1);
    ++observed_;
    Size& size = sizes_[std::min(static_cast<size_t>(rows), sizes_.size() - 1)];
    learn(size, static_cast<double>(std::max<int64_t>(took_ns, 1)));
    size.last = observed_;
    late_steps_ *= late ? kLateStep : std::pow(kLateStep, -1.0 / kOnTimeBatches);
    late_steps_ = std::clamp(late_steps_, 1.0, kMostLateSteps);
    forget_old();
    pool_sizes();
    draw_line();
}

void BatchCosts::learn(Size& size, double took_ns) {
    if (size.runs == 0) {
        size.usual_ns = took_ns;
    } else if (size.runs < kFirstRuns) {
        size.usual_ns = std::min(size.usual_ns, took_ns);
    } else {
        const double differs = std::abs(took_ns / size.usual_ns - 1);
        deviation_ += kNewsOfDeviation * (std::min(differs, kFarthestDeviation) - deviation_);
        const double counts =
            std::clamp(took_ns, size.usual_ns / kFarthest, size.usual_ns * kFarthest);
        size.usual_ns += kNews * (counts - size.usual_ns);
    }
    size.runs = std::min(size.runs + 1, kMostWeight);
}

double BatchCosts::margin() const {
    return std::max(kLeastMargin, 1 + kDeviations * deviation_) * late_steps_;
}

void BatchCosts::forget_old() {
    for (Size& size : sizes_) {
        if (size.runs > 0 && observed_ - size.last > kKeepBatches) {
            size.runs = 0;
        }
    }
}

// Adjacent violators: whoever takes less than a smaller size shares one mean with it.
void BatchCosts::pool_sizes() {
    pools_.clear();
    for (size_t rows = 1; rows < sizes_.size(); ++rows) {
        if (sizes_[rows].runs == 0) {
            continue;
        }
        Pool last{static_cast<double>(sizes_[rows].runs), sizes_[rows].usual_ns, rows};
        while (!pools_.empty() && pools_.back().usual_ns > last.usual_ns) {
            const Pool& other = pools_.back();
            const double weight = other.weight + last.weight;
            last.usual_ns =
                (other.usual_ns * other.weight + last.usual_ns * last.weight) / weight;
            last.weight = weight;
            pools_.pop_back();
        }
        pools_.push_back(last);
    }
}

void BatchCosts::draw_line() {
    size_t from = 0;  // the last size that is known
    auto pool = pools_.begin();
    for (size_t rows = 1; rows < sizes_.size(); ++rows) {
        if (sizes_[rows].runs == 0) {
            continue;
        }
        pool += rows > pool->last_rows ? 1 : 0;
        line_[rows] = pool->usual_ns;
        for (size_t between = from + 1; between < rows; ++between) {
            const double share =
                static_cast<double>(between - from) / static_cast<double>(rows - from);
            line_[between] = from == 0 ? line_[rows]
                                       : line_[from] + share * (line_[rows] - line_[from]);
        }
        from = rows;
    }
    for (size_t rows = from + 1; rows < sizes_.size(); ++rows) {
        line_[rows] = line_[from] * static_cast<double>(rows) / static_cast<double>(from);
    }
}

int64_t BatchCosts::cost_ns(int64_t rows) const {
    TRITONPY_CHECK(rows >= 1);
    const size_t index = std::min(static_cast<size_t>(rows), line_.size() - 1);
    return static_cast<int64_t>(std::ceil(line_[index] * margin()));
}

int64_t BatchCosts::rows_within(int64_t time_ns) const {
    const double margin = this->margin();
    const auto first_above = std::partition_point(
        line_.begin() + 1, line_.end(), [&](double usual_ns) {
            return std::ceil(usual_ns * margin) <= static_cast<double>(time_ns);
        });
    return std::max<int64_t>(1, first_above - line_.begin() - 1);
}

}  // namespace tritonpy
