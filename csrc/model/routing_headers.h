// The names of the headers that the rollouts of all models decide by.
//
// A front end asks for them at every request, and copies those of its client's headers. While no
// rollout has any, that costs the look at one flag.
//
// Threads: thread-safe. Limits: those of the rollouts, which the control plane sees to.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tritonpy {

class RoutingHeaders {
  public:
    using Names = std::vector<std::string>;  // in lower case

    // What the model's rollout needs from now on; empty: nothing.
    void set(std::string_view model, Names names) {
        std::lock_guard lock(mutex_);
        if (names.empty()) {
            if (auto known = of_models_.find(model); known != of_models_.end()) {
                of_models_.erase(known);
            }
        } else {
            of_models_.insert_or_assign(std::string(model), std::move(names));
        }
        Names all;
        for (const auto& [_, of_model] : of_models_) {
            for (const std::string& name : of_model) {
                if (std::ranges::find(all, name) == all.end()) {
                    all.push_back(name);
                }
            }
        }
        all_ = all.empty() ? nullptr : std::make_shared<const Names>(std::move(all));
        has_any_.store(all_ != nullptr, std::memory_order_relaxed);
    }

    // Null while there are none. Shared: the list may change while somebody reads it.
    std::shared_ptr<const Names> names() const {
        if (!has_any_.load(std::memory_order_relaxed)) {
            return nullptr;
        }
        std::lock_guard lock(mutex_);
        return all_;
    }

  private:
    std::atomic<bool> has_any_{false};  // relaxed: late by one request is fine
    mutable std::mutex mutex_;          // guards what follows
    std::map<std::string, Names, std::less<>> of_models_;
    std::shared_ptr<const Names> all_;
};

}  // namespace tritonpy
