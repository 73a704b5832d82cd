// gRPC's framing of messages inside an HTTP/2 stream: a flag, a length, the bytes.
//
// The length is checked before anything is reserved. A message that is there whole is copied once,
// into a block of its size. One that comes in parts gets that block when 1/kGrowth of it has come,
// and smaller ones before, so that a client that only claims 2 GB costs nothing, and little is
// copied twice.
//
// Threads: compatible. Owns: the message being received. Borrows: the pool.
// Limits: the caller's largest message, at most limits::kMaxGrpcMessage.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "memory/block_pool.h"
#include "wire/content_coding.h"
#include "wire/status_codes.h"

namespace tritonpy {

inline constexpr size_t kGrpcPrefixSize = 5;

// The prefix of a message of `size` bytes. REQUIRES: size <= limits::kMaxGrpcMessage.
std::array<char, kGrpcPrefixSize> grpc_prefix(size_t size, bool compressed);

// Why a message was refused: a status of gRPC and its text.
struct GrpcError {
    GrpcStatus status = GrpcStatus::kOk;
    std::string text;
};

class GrpcMessageReader {
  public:
    GrpcMessageReader(BlockPool& pool, size_t max_size) : pool_(pool), max_size_(max_size) {}

    // The coding that compressed messages of this stream are in: its grpc-encoding. Identity until
    // then, with which a compressed message is an error.
    void set_coding(ContentCoding coding) { coding_ = coding; }

    enum class Outcome : uint8_t { kMessage, kPartial, kBad };
    struct Step {
        Outcome outcome;
        size_t used;        // bytes of the input that are done with
        BufferRef message;  // kMessage: whole, decompressed
    };
    // Goes on with the next bytes of the stream: call again with what is left until kPartial. After
    // kBad nothing more may come, and error() has the status and text that gRPC's own servers give:
    // RESOURCE_EXHAUSTED `SERVER: Received message larger than max (<n> vs. <max>)` or
    // `Decompressed message larger than max`, INTERNAL `Compression bit set but no encoding
    // configured`, `Decompression failed due to zlib error` or, for a flag that is none (which they
    // read as they like), `Bad GRPC frame type <n>`.
    Step next(std::span<const std::byte> bytes);
    const GrpcError& error() const { return error_; }

    // Whether the stream may end here: no message has begun that did not end.
    bool at_boundary() const { return prefix_received_ == 0; }
    // Bytes held of a message that is not whole yet.
    size_t held() const { return received_; }

  private:
    static constexpr size_t kGrowth = 32;
    static constexpr size_t kFirstBlock = 4096;

    // False, for the caller to return.
    bool fail(GrpcStatus status, std::string text);
    bool accepts_prefix();
    bool reserve(size_t size);
    Step whole(size_t used);
    bool inflate(BufferRef& message);

    BlockPool& pool_;
    const size_t max_size_;
    ContentCoding coding_ = ContentCoding::kIdentity;
    std::array<std::byte, kGrpcPrefixSize> prefix_{};
    size_t prefix_received_ = 0;
    BufferRef block_;      // null until some of the message has come
    size_t length_ = 0;    // of the message, as its prefix says
    size_t received_ = 0;  // of the message
    GrpcError error_;
};

// The nanoseconds of a grpc-timeout value ("100m", "5S"); spaces are ignored, as gRPC's servers do.
// Nothing when it is malformed (then they answer INTERNAL `Error parsing 'grpc-timeout' metadata`).
// Values beyond a century are a century.
std::optional<int64_t> parse_grpc_timeout(std::string_view value);

}  // namespace tritonpy
