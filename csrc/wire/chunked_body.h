// Undoes Transfer-Encoding: chunked, incrementally.
//
// Strict, as the head is: a size is hexadecimal digits and nothing else, lines end in CR and LF,
// and what a trailer says is dropped, but must look like headers. So nobody between the client and
// us can have seen another end of the body than we do.
//
// Threads: compatible. Owns: nothing but where it is.
// Limits: limits::kMaxBodyChunks non-empty chunks, limits::kMaxChunkExtension bytes of extensions
// of one chunk, limits::kMaxTrailers bytes of trailers, a size of 2^62; the caller bounds the body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tritonpy {

class ChunkedBody {
  public:
    enum class Outcome : uint8_t {
        kData,      // `data` is some of the body, never nothing; call again with what is left
        kPartial,   // all bytes are used up; more must come
        kComplete,  // the body and its trailers have ended; bytes after them are not used
        kBad,       // error_text says why; 400 is the status
    };
    struct Step {
        Outcome outcome;
        size_t used;                      // bytes of the input that are done with
        std::span<const std::byte> data;  // a view into the input, the last of what was used
    };

    // After kComplete and kBad, says the same again.
    Step next(std::span<const std::byte> bytes);
    // Chunks whose size has come, the empty last one among them.
    size_t chunks() const { return chunks_; }
    std::string_view error_text() const { return error_text_; }
    void reset() { *this = ChunkedBody(); }

  private:
    // What the next byte belongs to.
    enum class State : uint8_t {
        kSizeBegin,  // at least one digit must come
        kSize,
        kExtension,
        kSizeEnd,  // the LF of a size's line
        kData,
        kDataEnd,  // the CR behind data, and its LF
        kDataLineFeed,
        kTrailerBegin,  // a trailer's line, or the empty one
        kTrailerName,
        kTrailerValue,
        kTrailerEnd,
        kBodyEnd,  // the LF of the empty line
        kDone,
        kBad,
    };

    Step take_data(std::span<const std::byte> bytes, size_t used);
    State after(char character);
    State after_size(char character);
    State after_size_line();
    State after_trailer(char character);
    State bad(std::string_view text);

    State state_ = State::kSizeBegin;
    uint64_t left_ = 0;  // of the chunk
    size_t chunks_ = 0;
    size_t line_ = 0;  // digits of the size, bytes of the extension or of all trailers so far
    std::string_view error_text_;
};

}  // namespace tritonpy
