// The body of one HTTP request, from the network into one block.
//
// A length is only a promise: memory is asked for when the first bytes come, and counted as they
// do. A large body of known length is read where it stays; a small one is copied out of the read
// buffer, and so is what comes in chunks, whose blocks are joined at the end.
//
// Threads: confined(io). Owns: what has come. Borrows: the pool and the count.
// Limits: the given size; limits::kMaxBodyChunks; limits::kMaxHeld over all connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "frontend/held_share.h"
#include "memory/block_pool.h"
#include "memory/buffer.h"
#include "wire/chunked_body.h"

namespace tritonpy {

// A whole body.
struct HttpBody {
    BufferRef bytes;    // null when there are none
    HeldShare held;     // of a small body; that of a large one goes with its bytes
    size_t chunks = 0;  // the empty last one included; 0: it came in one piece
};

class HttpRequestBody {
  public:
    enum class Outcome : uint8_t {
        kPartial,   // more must come
        kComplete,  // finish
        kTooLarge,  // size() bytes are more than allowed
        kBad,       // no chunked body, or one of too many chunks: error_text says which
        kFull,      // no memory for it now: error_text
    };
    struct Step {
        Outcome outcome;
        size_t used;  // bytes that belong to the body
    };

    // `length` unset: it comes in chunks, of `max_size` bytes at most. REQUIRES: a length is not
    // above max_size, which the caller has checked.
    HttpRequestBody(std::optional<size_t> length, size_t max_size, BlockPool& pool,
                    HeldBytes& held);
    HttpRequestBody(const HttpRequestBody&) = delete;
    HttpRequestBody& operator=(const HttpRequestBody&) = delete;

    // Copies what belongs to the body. Once the outcome was not kPartial, the body is over.
    Step take(std::span<const std::byte> bytes);

    // Where the next bytes should be read to; empty: anywhere.
    std::span<std::byte> read_space() const;
    // The first `count` bytes of read_space were filled. REQUIRES: there are as many.
    Outcome filled(size_t count);

    // Bytes of the body so far, those that were too many included.
    size_t size() const { return size_; }
    std::string_view error_text() const { return error_text_; }

    // The body in one block; call it once. unavailable without memory. REQUIRES: kComplete.
    Result<HttpBody> finish();

  private:
    Step take_chunks(std::span<const std::byte> bytes);
    Outcome append_piece(std::span<const std::byte> bytes);
    Result<BufferRef> joined() const;
    Outcome fail(Outcome outcome, std::string_view text);

    BlockPool& pool_;
    HeldShare held_;
    const size_t limit_;  // the length, or the most that chunks may hold
    const bool chunked_;
    size_t size_ = 0;
    BufferRef block_;  // of known length; null before its first byte
    ChunkedBody chunks_;
    std::vector<BufferRef> pieces_;  // of chunks, all full but the last
    size_t last_piece_size_ = 0;     // bytes used of the last
    std::string_view error_text_;
};

}  // namespace tritonpy
