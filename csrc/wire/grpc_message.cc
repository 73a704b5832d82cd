#include "wire/grpc_message.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "wire/ascii_text.h"

namespace tritonpy {

namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kCentury = int64_t{100} * 365 * 24 * 3600 * kNsPerSecond;

// Nanoseconds of one unit of a grpc-timeout; 0 for a letter that is none.
int64_t timeout_unit_ns(char unit) {
    switch (unit) {
        case 'H':
            return 3600 * kNsPerSecond;
        case 'M':
            return 60 * kNsPerSecond;
        case 'S':
            return kNsPerSecond;
        case 'm':
            return 1'000'000;
        case 'u':
            return 1'000;
        case 'n':
            return 1;
        default:
            return 0;
    }
}

}  // namespace

std::array<char, kGrpcPrefixSize> grpc_prefix(size_t size, bool compressed) {
    auto byte = [size](int shift) { return static_cast<char>((size >> shift) & 0xFF); };
    return {static_cast<char>(compressed), byte(24), byte(16), byte(8), byte(0)};
}

GrpcMessageReader::Step GrpcMessageReader::next(std::span<const std::byte> bytes) {
    size_t used = std::min(kGrpcPrefixSize - prefix_received_, bytes.size());
    if (used != 0) {
        std::memcpy(prefix_.data() + prefix_received_, bytes.data(), used);
        prefix_received_ += used;
        if (prefix_received_ < kGrpcPrefixSize) {
            return {Outcome::kPartial, used, {}};
        }
        if (!accepts_prefix()) {
            return {Outcome::kBad, used, {}};
        }
    } else if (prefix_received_ < kGrpcPrefixSize) {
        return {Outcome::kPartial, 0, {}};
    }
    size_t more = std::min(length_ - received_, bytes.size() - used);
    if (more == 0 && length_ != 0) {
        return {Outcome::kPartial, used, {}};
    }
    if (!reserve(received_ + more)) {
        return {Outcome::kBad, used, {}};
    }
    if (more != 0) {
        std::memcpy(block_->data() + received_, bytes.data() + used, more);
    }
    received_ += more;
    used += more;
    if (received_ < length_) {
        return {Outcome::kPartial, used, {}};
    }
    return whole(used);
}

// Reads a prefix that is complete.
bool GrpcMessageReader::accepts_prefix() {
    auto byte = [this](size_t index) { return std::to_integer<size_t>(prefix_[index]); };
    length_ = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
    if (byte(0) > 1) {
        return fail(GrpcStatus::kInternal, "Bad GRPC frame type " + std::to_string(byte(0)));
    }
    if (byte(0) == 1 && coding_ == ContentCoding::kIdentity) {
        return fail(GrpcStatus::kInternal, "Compression bit set but no encoding configured");
    }
    if (length_ > max_size_) {
        return fail(GrpcStatus::kResourceExhausted,
                    "SERVER: Received message larger than max (" + std::to_string(length_) +
                        " vs. " + std::to_string(max_size_) + ")");
    }
    return true;
}

// Makes room for the first `size` bytes of the message.
bool GrpcMessageReader::reserve(size_t size) {
    if (block_ && block_->size() >= size) {
        return true;
    }
    size_t room = size >= length_ / kGrowth ? length_
                                            : std::min(std::max(size * 4, kFirstBlock), length_);
    Result<BufferRef> block = pool_.allocate(room);
    if (!block.ok()) {
        return fail(GrpcStatus::kResourceExhausted, std::string(block.status().message()));
    }
    if (received_ != 0) {
        std::memcpy(block.value()->data(), block_->data(), received_);
    }
    block_ = std::move(block).value();
    return true;
}

GrpcMessageReader::Step GrpcMessageReader::whole(size_t used) {
    BufferRef message = std::move(block_);
    prefix_received_ = 0;
    received_ = 0;
    bool compressed = prefix_[0] == std::byte{1};
    if (compressed && length_ != 0 && !inflate(message)) {
        return {Outcome::kBad, used, {}};
    }
    return {Outcome::kMessage, used, std::move(message)};
}

// Replaces a compressed message by what it says.
bool GrpcMessageReader::inflate(BufferRef& message) {
    Result<BufferRef> plain = decompress(message, coding_, max_size_, pool_);
    if (plain.ok()) {
        message = std::move(plain).value();
        return true;
    }
    const Status& status = plain.status();
    if (status.code() != StatusCode::kInvalidArg) {
        return fail(GrpcStatus::kResourceExhausted, std::string(status.message()));
    }
    if (status.message().starts_with("Decompressed data size exceeds")) {
        return fail(GrpcStatus::kResourceExhausted, "Decompressed message larger than max");
    }
    return fail(GrpcStatus::kInternal, "Decompression failed due to zlib error");
}

bool GrpcMessageReader::fail(GrpcStatus status, std::string text) {
    error_ = {status, std::move(text)};
    return false;
}

std::optional<int64_t> parse_grpc_timeout(std::string_view value) {
    value = trim_blanks(value);
    int64_t unit_ns = value.empty() ? 0 : timeout_unit_ns(value.back());
    if (unit_ns == 0) {
        return std::nullopt;
    }
    std::string_view digits = trim_blanks(value.substr(0, value.size() - 1));
    if (digits.empty()) {
        return std::nullopt;
    }
    int64_t count = 0;
    for (char digit : digits) {
        if (digit < '0' || digit > '9') {
            return std::nullopt;
        }
        count = count >= kCentury / 10 ? kCentury : count * 10 + (digit - '0');
    }
    return count > kCentury / unit_ns ? kCentury : count * unit_ns;
}

}  // namespace tritonpy
