#include "frontend/http_request_body.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

constexpr std::string_view kNoMemory = "no memory is left for the body of the request";

}  // namespace

HttpRequestBody::HttpRequestBody(std::optional<size_t> length, size_t max_size, BlockPool& pool,
                                 HeldBytes& held)
    : pool_(pool), held_(held), limit_(length.value_or(max_size)), chunked_(!length) {}

HttpRequestBody::Step HttpRequestBody::take(std::span<const std::byte> bytes) {
    if (chunked_) {
        return take_chunks(bytes);
    }
    bytes = bytes.first(std::min(bytes.size(), limit_ - size_));
    if (bytes.empty()) {
        return {size_ == limit_ ? Outcome::kComplete : Outcome::kPartial, 0};
    }
    if (!block_) {
        auto block = pool_.allocate(limit_);
        if (!block.ok()) {
            return {fail(Outcome::kFull, kNoMemory), 0};
        }
        block_ = std::move(block).value();
    }
    std::memcpy(block_->data() + size_, bytes.data(), bytes.size());
    return {filled(bytes.size()), bytes.size()};
}

std::span<std::byte> HttpRequestBody::read_space() const {
    if (!block_ || limit_ <= limits::kMaxCopiedBody) {
        return {};
    }
    return {block_->data() + size_, limit_ - size_};
}

HttpRequestBody::Outcome HttpRequestBody::filled(size_t count) {
    TRITONPY_CHECK(count <= limit_ - size_);
    size_ += count;
    if (!held_.try_resize(size_)) {
        return fail(Outcome::kFull, kTooMuchHeld);
    }
    return size_ == limit_ ? Outcome::kComplete : Outcome::kPartial;
}

HttpRequestBody::Step HttpRequestBody::take_chunks(std::span<const std::byte> bytes) {
    size_t used = 0;
    while (true) {
        ChunkedBody::Step step = chunks_.next(bytes.subspan(used));
        used += step.used;
        switch (step.outcome) {
            case ChunkedBody::Outcome::kData:
                if (Outcome outcome = append_piece(step.data); outcome != Outcome::kPartial) {
                    return {outcome, used};
                }
                break;
            case ChunkedBody::Outcome::kPartial:
                return {Outcome::kPartial, used};
            case ChunkedBody::Outcome::kComplete:
                return {Outcome::kComplete, used};
            case ChunkedBody::Outcome::kBad:
                return {fail(Outcome::kBad, chunks_.error_text()), used};
        }
    }
}

HttpRequestBody::Outcome HttpRequestBody::append_piece(std::span<const std::byte> bytes) {
    size_t before = size_;
    size_ += bytes.size();
    if (size_ > limit_) {
        return Outcome::kTooLarge;
    }
    if (!held_.try_resize(size_)) {
        return fail(Outcome::kFull, kTooMuchHeld);
    }
    while (!bytes.empty()) {
        if (pieces_.empty() || last_piece_size_ == pieces_.back()->size()) {
            // As much again as there is, within bounds: few pieces, and little room unused.
            size_t size = std::clamp(before, limits::kMaxCopiedBody, limits::kMaxReadPerTurn);
            auto piece = pool_.allocate(size);
            if (!piece.ok()) {
                return fail(Outcome::kFull, kNoMemory);
            }
            pieces_.push_back(std::move(piece).value());
            last_piece_size_ = 0;
        }
        const BufferRef& last = pieces_.back();
        size_t count = std::min(bytes.size(), last->size() - last_piece_size_);
        std::memcpy(last->data() + last_piece_size_, bytes.data(), count);
        last_piece_size_ += count;
        bytes = bytes.subspan(count);
    }
    return Outcome::kPartial;
}

Result<HttpBody> HttpRequestBody::finish() {
    HttpBody body;
    body.chunks = chunks_.chunks();
    if (size_ == 0) {
        return body;
    }
    if (chunked_) {
        TRITONPY_ASSIGN_OR_RETURN(block_, joined());
    }
    if (size_ <= limits::kMaxCopiedBody) {
        body.bytes = std::move(block_);
        body.held = std::move(held_);
    } else {
        body.bytes = count_while_alive(std::move(block_), std::move(held_));
    }
    return body;
}

Result<BufferRef> HttpRequestBody::joined() const {
    TRITONPY_ASSIGN_OR_RETURN(BufferRef block, pool_.allocate(size_));
    std::byte* end = block->data();
    for (const BufferRef& piece : pieces_) {
        size_t left = size_ - static_cast<size_t>(end - block->data());
        size_t count = std::min(piece->size(), left);
        std::memcpy(end, piece->data(), count);
        end += count;
    }
    return block;
}

HttpRequestBody::Outcome HttpRequestBody::fail(Outcome outcome, std::string_view text) {
    error_text_ = text;
    return outcome;
}

}  // namespace tritonpy
