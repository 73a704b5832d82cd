// Goal: pieces never overlap, keep their bytes, are used again, and go with the heap.
// Method: the heap by hand, and a long random sequence against a list of what should be in it.
#include "memory/confined_heap.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <vector>

namespace tritonpy {
namespace {

TEST(ConfinedHeap, pieces_are_aligned_and_apart) {
    ConfinedHeap heap;
    std::set<uintptr_t> begins;
    for (int count = 0; count < 1000; ++count) {
        void* piece = heap.allocate(40);
        ASSERT_NE(piece, nullptr);
        auto begin = reinterpret_cast<uintptr_t>(piece);
        EXPECT_EQ(begin % 16, 0u);
        begins.insert(begin);
        std::memset(piece, 0xAB, 40);
    }
    uintptr_t last = 0;
    for (uintptr_t begin : begins) {
        EXPECT_GE(begin, last + 40);
        last = begin;
    }
    EXPECT_EQ(begins.size(), 1000u);
}

TEST(ConfinedHeap, released_piece_is_the_next_of_its_size) {
    ConfinedHeap heap;
    void* piece = heap.allocate(100);
    void* other = heap.allocate(300);
    heap.release(piece);
    EXPECT_NE(heap.allocate(300), piece);
    EXPECT_EQ(heap.allocate(90), piece);
    heap.release(other);
    heap.release(nullptr);
}

TEST(ConfinedHeap, zeroed_piece_is_zero_also_when_it_was_used) {
    ConfinedHeap heap;
    void* piece = heap.allocate(64);
    std::memset(piece, 0xFF, 64);
    heap.release(piece);
    auto* zeroed = static_cast<unsigned char*>(heap.allocate_zeroed(8, 8));
    ASSERT_EQ(zeroed, piece);
    for (int index = 0; index < 64; ++index) {
        EXPECT_EQ(zeroed[index], 0);
    }
}

TEST(ConfinedHeap, impossible_sizes_are_refused) {
    ConfinedHeap heap;
    EXPECT_EQ(heap.allocate(SIZE_MAX), nullptr);
    EXPECT_EQ(heap.allocate_zeroed(SIZE_MAX / 2, 3), nullptr);
    void* piece = heap.allocate(10);
    EXPECT_EQ(heap.grow(piece, SIZE_MAX - 8), nullptr);
    std::memset(piece, 1, 10);
}

TEST(ConfinedHeap, random_use_keeps_every_byte) {
    struct Piece {
        unsigned char* bytes;
        size_t size;
        unsigned char fill;
    };
    std::mt19937 random(7);
    ConfinedHeap heap;
    std::vector<Piece> pieces;
    auto expect_intact = [](const Piece& piece, size_t size) {
        for (size_t index = 0; index < size; ++index) {
            ASSERT_EQ(piece.bytes[index], piece.fill);
        }
    };
    for (int step = 0; step < 20'000; ++step) {
        const size_t size = random() % 8 == 0 ? random() % 20'000 : random() % 600;
        if (pieces.empty() || random() % 3 == 0) {
            auto* bytes = static_cast<unsigned char*>(heap.grow(nullptr, size));
            pieces.push_back({bytes, size, static_cast<unsigned char>(random())});
        } else {
            std::swap(pieces[random() % pieces.size()], pieces.back());
            Piece& piece = pieces.back();
            expect_intact(piece, piece.size);
            if (random() % 2 == 0) {
                heap.release(piece.bytes);
                pieces.pop_back();
                continue;
            }
            piece.bytes = static_cast<unsigned char*>(heap.grow(piece.bytes, size));
            expect_intact(piece, std::min(piece.size, size));
            piece.size = size;
        }
        std::memset(pieces.back().bytes, pieces.back().fill, pieces.back().size);
    }
    for (const Piece& piece : pieces) {
        expect_intact(piece, piece.size);
        heap.release(piece.bytes);
    }
}

}  // namespace
}  // namespace tritonpy
