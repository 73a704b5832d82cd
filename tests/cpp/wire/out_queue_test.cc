// Goal: what was appended leaves in order and whole, owners live exactly as long as their bytes are
// there, and the usual response costs no allocation.
// Method: small scenarios; a seeded walk of appends, consumes and moves against two strings that
// do the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "support/allocation_counter.h"
#include "wire/out_queue.h"

namespace tritonpy {
namespace {

constexpr size_t kLarge = limits::kMinBorrowedPiece;

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

void append_shared(OutQueue& queue, const std::shared_ptr<std::string>& text) {
    queue.append(bytes_of(*text), text);
}

std::string joined(std::span<const iovec> pieces) {
    std::string text;
    for (const iovec& piece : pieces) {
        EXPECT_GT(piece.iov_len, 0u);
        text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
    return text;
}

std::string content(const OutQueue& queue) {
    std::array<iovec, 4096> pieces;
    size_t count = queue.gather(pieces);
    EXPECT_LT(count, pieces.size());
    return joined(std::span(pieces).first(count));
}

TEST(OutQueue, copied_pieces_are_one) {
    OutQueue queue;
    queue.append("head ");
    auto small = std::make_shared<std::string>("small ");
    append_shared(queue, small);
    queue.append("tail");
    EXPECT_EQ(small.use_count(), 1) << "it was copied";
    std::array<iovec, 8> pieces;
    ASSERT_EQ(queue.gather(pieces), 1u);
    EXPECT_EQ(joined(std::span(pieces).first(1)), "head small tail");
    EXPECT_EQ(queue.size(), 15u);
}

TEST(OutQueue, large_piece_is_borrowed_until_its_last_byte_has_left) {
    OutQueue queue;
    auto large = std::make_shared<std::string>(kLarge, 'L');
    queue.append("head");
    append_shared(queue, large);
    queue.append("tail");
    EXPECT_EQ(large.use_count(), 2);
    std::array<iovec, 8> pieces;
    ASSERT_EQ(queue.gather(pieces), 3u);
    EXPECT_EQ(pieces[1].iov_base, large->data());
    queue.consume(4 + kLarge - 1);
    EXPECT_EQ(large.use_count(), 2);
    EXPECT_EQ(content(queue), "Ltail");
    queue.consume(1);
    EXPECT_EQ(large.use_count(), 1);
    EXPECT_EQ(content(queue), "tail");
}

TEST(OutQueue, gather_fills_what_there_is_room_for) {
    OutQueue queue;
    auto large = std::make_shared<std::string>(kLarge, 'L');
    for (int count = 0; count < 3; ++count) {
        queue.append("x");
        append_shared(queue, large);
    }
    std::array<iovec, 7> pieces;
    EXPECT_EQ(queue.gather({}), 0u);
    for (size_t room = 1; room <= 7; ++room) {
        ASSERT_EQ(queue.gather(std::span(pieces).first(room)), std::min<size_t>(room, 6));
        EXPECT_EQ(pieces[room <= 6 ? room - 1 : 5].iov_len, room % 2 == 1 && room < 7 ? 1 : kLarge);
    }
}

TEST(OutQueue, empty_queue_gathers_nothing) {
    OutQueue queue;
    queue.append("");
    queue.append(std::span<const std::byte>(), nullptr);
    std::array<iovec, 2> pieces;
    EXPECT_EQ(queue.gather(pieces), 0u);
    EXPECT_TRUE(queue.empty());
    queue.consume(0);
    EXPECT_TRUE(queue.empty());
}

TEST(OutQueue, moved_piece_is_shared_until_both_parts_have_left) {
    OutQueue stream;
    OutQueue connection;
    auto large = std::make_shared<std::string>(3 * kLarge, 'L');
    append_shared(stream, large);
    connection.append("frame");
    stream.move_to(connection, kLarge);
    EXPECT_EQ(large.use_count(), 3);
    connection.append("frame");
    stream.move_to(connection, 2 * kLarge - 1);
    stream.move_to(connection, 1);
    EXPECT_TRUE(stream.empty());
    EXPECT_EQ(large.use_count(), 3) << "the last byte was copied";
    EXPECT_EQ(content(connection),
              "frame" + std::string(kLarge, 'L') + "frame" + std::string(2 * kLarge, 'L'));
    connection.consume(5 + kLarge);
    EXPECT_EQ(large.use_count(), 2);
    connection.clear();
    EXPECT_EQ(large.use_count(), 1);
    EXPECT_TRUE(connection.empty());
}

TEST(OutQueue, whole_queue_moves_into_an_empty_one) {
    OutQueue stream;
    OutQueue connection;
    auto large = std::make_shared<std::string>(kLarge, 'L');
    stream.append("ab");
    append_shared(stream, large);
    stream.consume(1);
    stream.move_to(connection, stream.size());
    EXPECT_TRUE(stream.empty());
    EXPECT_EQ(content(connection), "b" + *large);
    stream.append("again");
    EXPECT_EQ(content(stream), "again");
    stream.move_to(connection, 0);
    EXPECT_EQ(stream.size(), 5u);
}

TEST(OutQueue, queue_that_goes_lets_owners_go) {
    auto large = std::make_shared<std::string>(kLarge, 'L');
    {
        OutQueue queue;
        append_shared(queue, large);
    }
    EXPECT_EQ(large.use_count(), 1);
}

TEST(OutQueue, usual_response_allocates_nothing) {
    auto large = std::make_shared<std::string>(kLarge, 'L');
    const std::string small(300, 's');
    OutQueue queue;
    std::array<iovec, 8> pieces;
    auto respond = [&] {
        queue.append(small);
        queue.append(small);
        append_shared(queue, large);
        queue.append(small);
        size_t count = queue.gather(pieces);
        queue.consume(queue.size() / 2);
        queue.consume(queue.size());
        return count;
    };
    respond();
    uint64_t before = allocation_count.load();
    size_t gathered = 0;
    for (int count = 0; count < 100; ++count) {
        gathered += respond();
    }
    EXPECT_EQ(allocation_count.load(), before);
    EXPECT_EQ(gathered, 300u);
}

TEST(OutQueue, queue_that_is_never_empty_does_not_grow) {
    auto large = std::make_shared<std::string>(kLarge, 'L');
    const std::string small(300, 's');
    OutQueue queue;
    auto respond = [&] {
        for (int count = 0; count < 100; ++count) {
            queue.append(small);
            append_shared(queue, large);
            if (queue.size() > 4 * (small.size() + large->size())) {
                queue.consume(small.size() + large->size());
            }
        }
    };
    respond();
    uint64_t before = allocation_count.load();
    respond();
    EXPECT_EQ(allocation_count.load(), before);
    EXPECT_EQ(large.use_count(), 5);
}

// Two queues and the strings that they should hold.
struct Walk {
    std::array<OutQueue, 2> queues;
    std::array<std::string, 2> expected;
    std::vector<std::shared_ptr<std::string>> owners;
    std::mt19937 random;

    size_t below(size_t bound) { return random() % bound; }

    void append(size_t index) {
        auto text = std::make_shared<std::string>();
        for (size_t left = below(3) == 0 ? below(3 * kLarge) : below(20); left > 0; --left) {
            text->push_back(static_cast<char>('a' + below(26)));
        }
        append_shared(queues[index], text);
        expected[index] += *text;
        owners.push_back(std::move(text));
    }
    void step() {
        size_t index = below(2);
        size_t count = below(expected[index].size() + 1);
        switch (below(8)) {
            case 0:
                queues[index].consume(count);
                expected[index].erase(0, count);
                break;
            case 1:
                queues[index].move_to(queues[1 - index], count);
                expected[1 - index] += expected[index].substr(0, count);
                expected[index].erase(0, count);
                break;
            case 2:
                count = std::min<size_t>(count, below(10));
                queues[index].consume(count);
                expected[index].erase(0, count);
                break;
            default:
                append(index);
        }
    }
};

TEST(OutQueue, any_walk_keeps_bytes_and_order) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE(seed);
        Walk walk;
        walk.random.seed(seed);
        for (int count = 0; count < 300; ++count) {
            walk.step();
            for (size_t index = 0; index < 2; ++index) {
                ASSERT_EQ(walk.queues[index].size(), walk.expected[index].size());
                ASSERT_EQ(content(walk.queues[index]), walk.expected[index]);
            }
        }
        walk.queues[0].consume(walk.queues[0].size());
        walk.queues[1].clear();
        for (const std::shared_ptr<std::string>& owner : walk.owners) {
            EXPECT_EQ(owner.use_count(), 1);
        }
    }
}

}  // namespace
}  // namespace tritonpy
