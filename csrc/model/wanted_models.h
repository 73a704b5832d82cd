// The names of models that requests wait for and nobody loads yet, on their way to the control
// plane.
//
// Threads: thread-safe; one thread takes names.
// Limits: as many names as there are models on demand: each says so once until it has its answer.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

namespace tritonpy {

class WantedModels {
  public:
    void add(std::string name) {
        {
            std::lock_guard lock(mutex_);
            names_.push_back(std::move(name));
        }
        changed_.notify_one();
    }

    // Blocks until there is a name; nothing once closed.
    std::optional<std::string> next() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return closed_ || !names_.empty(); });
        if (closed_) {
            return std::nullopt;
        }
        std::string name = std::move(names_.front());
        names_.pop_front();
        return name;
    }

    // Idempotent.
    void close() {
        {
            std::lock_guard lock(mutex_);
            closed_ = true;
        }
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<std::string> names_;
    bool closed_ = false;
};

}  // namespace tritonpy
