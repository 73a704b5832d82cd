#include "frontend/grpc_framing.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "wire/grpc_message.h"

namespace tritonpy {

namespace {

// What is written, and what it is borrowed from.
struct Encoded {
    EncodedBody body;
    std::unique_ptr<InferenceResponse> response;
};

bool has_large_piece(const EncodedBody& body) {
    for (std::span<const std::byte> piece : body.pieces()) {
        if (piece.size() >= limits::kMinBorrowedPiece) {
            return true;
        }
    }
    return false;
}

void append_pieces(EncodedBody body, std::unique_ptr<InferenceResponse> response, OutQueue& out) {
    if (!has_large_piece(body)) {
        for (std::span<const std::byte> piece : body.pieces()) {
            out.append(std::string_view(reinterpret_cast<const char*>(piece.data()), piece.size()));
        }
        return;
    }
    if (response != nullptr) {
        response->request.reset();  // with its inputs, which nobody needs any more
    }
    // Shared, as the queue wants its owners.
    auto owner = std::make_shared<Encoded>(Encoded{std::move(body), std::move(response)});
    for (std::span<const std::byte> piece : owner->body.pieces()) {
        out.append(piece, owner);
    }
}

void append_prefix(size_t size, bool compressed, OutQueue& out) {
    const auto prefix = grpc_prefix(size, compressed);
    out.append(std::string_view(prefix.data(), prefix.size()));
}

}  // namespace

void append_grpc_message(EncodedBody body, std::unique_ptr<InferenceResponse> response,
                         ContentCoding coding, int level, OutQueue& out) {
    if (coding != ContentCoding::kIdentity) {
        std::string compressed = compress(body, coding, level);
        if (!compressed.empty() && compressed.size() < body.size()) {
            append_prefix(compressed.size(), /*compressed=*/true, out);
            EncodedBody replaced;
            replaced.append_owned(std::move(compressed));
            append_pieces(std::move(replaced), nullptr, out);
            return;
        }
    }
    append_prefix(body.size(), /*compressed=*/false, out);
    append_pieces(std::move(body), std::move(response), out);
}

}  // namespace tritonpy
