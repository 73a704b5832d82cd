// What other threads hand to one thread that sleeps in epoll, with as few wake-ups as possible.
//
// A producer appends under a mutex and signals the wake-up only when the consumer has said that it
// is about to sleep, and only the first producer does: a burst costs one system call, and a busy
// consumer none. The consumer's line is: take_all, arm; when that says that nothing is here, sleep,
// else take_all again.
//
// Unbounded by itself: everything in it answers something that was counted when it was asked for.
//
// Threads: push is thread-safe; the rest is confined to the consumer.
// Owns: the items. Borrows: the wake-up, which several inboxes of one consumer may share.
// Invariants: 1. until close, items are taken in the order in which they were pushed, each once;
//             2. once arm has returned true for every inbox of a wake-up, the next push into any of
//                them signals it, once.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "queue/wakeup.h"

namespace tritonpy {

template <typename T>
class Inbox {
  public:
    explicit Inbox(Wakeup& wakeup) : wakeup_(wakeup) {}
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;

    void push(T item) {
        std::shared_ptr<const Wakeup::Signal> sleeper;
        {
            std::lock_guard lock(mutex_);
            if (closed_) {
                return;
            }
            items_.push_back(std::move(item));
            sleeper = wakeup_.claim_sleeper();
        }
        // As soon as the consumer has the item it may free this inbox, and the wake-up.
        if (sleeper != nullptr) {
            sleeper->send();
        }
    }

    // Replaces `into` (REQUIRES: empty; its capacity is kept in use) with what has come. False when
    // nothing has.
    bool take_all(std::vector<T>& into) {
        std::lock_guard lock(mutex_);
        std::swap(items_, into);
        return !into.empty();
    }

    // True: nothing is here, and the next push signals. False: take_all first.
    bool arm() {
        wakeup_.arm();
        std::lock_guard lock(mutex_);
        return items_.empty();
    }

    // Drops what is here and what still comes.
    void close() {
        std::vector<T> dropped;  // freed after the lock, whatever that calls
        std::lock_guard lock(mutex_);
        closed_ = true;
        std::swap(items_, dropped);
    }

  private:
    Wakeup& wakeup_;
    std::mutex mutex_;  // guards what follows
    bool closed_ = false;
    std::vector<T> items_;
};

}  // namespace tritonpy
