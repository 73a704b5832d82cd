// A redis server for tests: a table, and switches for all that can go wrong with a real one.
//
// Threads: thread-safe. Outlives the links to it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "model/redis_link.h"
#include "support/request_builder.h"

namespace tritonpy {

class ScriptedRedis {
  public:
    // Each makes a link, or fails while the server is down.
    ConnectRedis connector() {
        return [this]() -> Result<std::unique_ptr<RedisLink>> {
            std::lock_guard lock(mutex_);
            ++connects_;
            changed_.notify_all();
            if (is_down_) {
                return internal_error("failed to connect");
            }
            return std::unique_ptr<RedisLink>(std::make_unique<Link>(*this));
        };
    }

    // Down: links fail at their next reply, and nobody connects.
    void set_down(bool down) { set(is_down_, down); }
    // Held: links wait with their replies until this is over.
    void set_held(bool held) { set(is_held_, held); }
    void set_refusal(std::string refusal) { set(refusal_, std::move(refusal)); }

    // What is kept under all keys.
    std::map<std::string, std::string> values() const {
        std::lock_guard lock(mutex_);
        return values_;
    }
    void plant(const std::string& key, std::string value) {
        std::lock_guard lock(mutex_);
        values_[key] = std::move(value);
    }
    size_t gets() const {
        std::lock_guard lock(mutex_);
        return gets_;
    }

    // Block until so many values were put in, so many links were asked for, or one waits with a
    // reply.
    void wait_for_sets(size_t count) {
        wait([&] { return sets_ >= count; });
    }
    void wait_for_connects(size_t count) {
        wait([&] { return connects_ >= count; });
    }
    void wait_until_waiting() {
        wait([&] { return waiting_ > 0; });
    }

  private:
    class Link final : public RedisLink {
      public:
        explicit Link(ScriptedRedis& redis) : redis_(redis) {}
        void get(std::string_view key) override {
            commands_.push_back({std::string(key), "", true});
        }
        void set(std::string_view key, std::string_view value) override {
            commands_.push_back({std::string(key), std::string(value), false});
        }
        Result<RedisReply> receive() override {
            const Command command = std::move(commands_.front());
            commands_.pop_front();
            return redis_.answer(command.key, command.value, command.is_get);
        }

      private:
        struct Command {
            std::string key;
            std::string value;
            bool is_get;
        };
        ScriptedRedis& redis_;
        std::deque<Command> commands_;
    };

    template <typename Value>
    void set(Value& member, Value value) {
        std::lock_guard lock(mutex_);
        member = std::move(value);
        changed_.notify_all();
    }
    template <typename Condition>
    void wait(Condition holds) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, holds);
    }
    Result<RedisReply> answer(const std::string& key, const std::string& value, bool is_get) {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !is_held_; });
        --waiting_;
        if (is_down_) {
            return unavailable("Server closed the connection");
        }
        RedisReply reply;
        reply.refusal = refusal_;
        if (!refusal_.empty()) {
            return reply;
        }
        if (is_get) {
            ++gets_;
            const auto found = values_.find(key);
            if (found != values_.end()) {
                reply.value = make_buffer(std::as_bytes(std::span(found->second)));
            }
        } else {
            ++sets_;
            values_[key] = value;
            changed_.notify_all();
        }
        return reply;
    }

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::map<std::string, std::string> values_;
    std::string refusal_;
    bool is_down_ = false;
    bool is_held_ = false;
    size_t connects_ = 0;
    size_t gets_ = 0;
    size_t sets_ = 0;
    size_t waiting_ = 0;
};

}  // namespace tritonpy
