// A bounded lock-free queue: many threads push, one at a time pops.
//
// Requests cross from front-end threads to a model's instances through it. Each slot counts turns:
// 2L while it is free for lap L, 2L + 1 while it holds lap L's element. So a slot alone tells both
// sides whose move it is, and all-zero memory is a valid empty ring: the operating system hands out
// zero pages only when a slot is first used, and an idle model's ring costs address space alone.
//
// Threads: try_push is thread-safe; try_pop is confined to one thread at a time (the caller locks).
// Owns: the elements inside; the destructor destroys what is left.
// Invariants: 1. elements of one producer come out in the order in which they went in;
//             2. a failed try_push leaves the element alone.
// Limits: `capacity` elements; sizeof(Slot) == 16 for a pointer, so 16,384 take 256 KiB once
// touched.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <type_traits>
#include <utility>

namespace tritonpy {

template <typename T>
class MpscRing {
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>);

  public:
    // Room for at least `capacity` elements (rounded up to a power of two). Throws std::bad_alloc.
    explicit MpscRing(size_t capacity)
        : lap_bits_(std::bit_width(std::bit_ceil(capacity)) - 1),
          mask_(std::bit_ceil(capacity) - 1),
          slots_(static_cast<Slot*>(std::calloc(mask_ + 1, sizeof(Slot)))) {
        if (slots_ == nullptr) {
            throw std::bad_alloc();
        }
    }
    // REQUIRES: nobody is inside.
    ~MpscRing() {
        while (Slot* slot = readable_slot()) {
            std::destroy_at(element_of(*slot));
            ++tail_;
        }
    }
    MpscRing(const MpscRing&) = delete;
    MpscRing& operator=(const MpscRing&) = delete;

    size_t capacity() const { return mask_ + 1; }

    // Moves `element` in, or returns false when the ring is full. Never blocks.
    bool try_push(T& element) {
        uint64_t position = head_.load(std::memory_order_acquire);
        for (;;) {
            Slot& slot = slots_[position & mask_];
            // Pairs with the release in try_pop: the previous lap's element is gone.
            uint64_t turn = turn_of(slot).load(std::memory_order_acquire);
            if (turn == free_turn(position)) {
                // Elements are published by turns. acq_rel all the same: who takes a position knows
                // all that those before knew, so a caller who counts places outside (and so knows
                // that somebody's slot is free) never finds its own still taken.
                if (head_.compare_exchange_weak(position, position + 1, std::memory_order_acq_rel,
                                                std::memory_order_acquire)) {
                    std::construct_at(element_of(slot), std::move(element));
                    // Pairs with the acquire in readable_slot: the element is complete.
                    turn_of(slot).store(turn + 1, std::memory_order_release);
                    return true;
                }
            } else {
                uint64_t before = position;
                position = head_.load(std::memory_order_acquire);
                if (position == before) {
                    return false;
                }
            }
        }
    }

    // Moves the oldest element out, or returns false when there is none that is complete: a push
    // that has not returned yet hides what came behind it. Never blocks.
    bool try_pop(T& element) {
        Slot* slot = readable_slot();
        if (slot == nullptr) {
            return false;
        }
        T* stored = element_of(*slot);
        element = std::move(*stored);
        std::destroy_at(stored);
        // Pairs with the acquire in try_push: the slot is free for the next lap.
        turn_of(*slot).store(free_turn(tail_) + 2, std::memory_order_release);
        ++tail_;
        return true;
    }

  private:
    static constexpr size_t kCacheLine = 64;

    // Plain members, so that calloc's zeros are already slots; `turn` is only touched atomically.
    struct Slot {
        uint64_t turn;
        alignas(T) std::byte element[sizeof(T)];
    };
    struct Free {
        void operator()(Slot* slots) const { std::free(slots); }
    };
    static_assert(alignof(Slot) <= alignof(std::max_align_t), "calloc aligns no further");

    static std::atomic_ref<uint64_t> turn_of(Slot& slot) {
        return std::atomic_ref<uint64_t>(slot.turn);
    }
    static T* element_of(Slot& slot) { return std::launder(reinterpret_cast<T*>(slot.element)); }
    uint64_t free_turn(uint64_t position) const { return (position >> lap_bits_) * 2; }

    // The slot at the tail when its element is complete, else null.
    Slot* readable_slot() {
        Slot& slot = slots_[tail_ & mask_];
        // Pairs with the release in try_push.
        uint64_t turn = turn_of(slot).load(std::memory_order_acquire);
        return turn == free_turn(tail_) + 1 ? &slot : nullptr;
    }

    // Read by everybody, written by nobody.
    const int lap_bits_;
    const size_t mask_;
    const std::unique_ptr<Slot[], Free> slots_;
    // Producers and the consumer each keep their own cache line.
    alignas(kCacheLine) std::atomic<uint64_t> head_{0};  // next position to push
    alignas(kCacheLine) uint64_t tail_ = 0;              // next position to pop
};

}  // namespace tritonpy
