// Goal: an answer becomes one message whose bytes are copied only where that is cheap, and nothing
// is kept longer than its bytes.
// Method: bodies of known pieces; what a queue gives is compared by content and by address, and
// what lives by the references that are left.
#include "frontend/grpc_framing.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>

#include "base/limits.h"
#include "support/request_builder.h"
#include "wire/grpc_message.h"

namespace tritonpy {
namespace {

constexpr int kLevel = 6;

std::vector<iovec> pieces_of(const OutQueue& out) {
    std::vector<iovec> pieces(limits::kMaxIovecs);
    pieces.resize(out.gather(pieces));
    return pieces;
}

std::string bytes_of(const OutQueue& out) {
    std::string bytes;
    for (const iovec& piece : pieces_of(out)) {
        bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
    return bytes;
}

// A response with a tensor of that size, and its body: a head and the tensor.
struct Answer {
    explicit Answer(size_t size, char fill = 'x') : content(size, fill) {
        response->outputs.push_back(make_raw_tensor("OUT", DataType::kUint8,
                                                    {static_cast<int64_t>(size)},
                                                    std::as_bytes(std::span(content))));
        response->request = std::make_unique<InferenceRequest>();
        request_buffer = make_buffer({});
        response->request->inputs.push_back(
            {"IN", DataType::kUint8, {0}, {}, request_buffer});
        data = response->outputs[0].data.data();
        body.append_owned("head");
        body.append_borrowed(response->outputs[0].data);
    }
    std::string content;
    std::unique_ptr<InferenceResponse> response = std::make_unique<InferenceResponse>();
    BufferRef request_buffer;
    const std::byte* data = nullptr;
    EncodedBody body;
};

std::string prefixed(std::string_view message, bool compressed = false) {
    const auto prefix = grpc_prefix(message.size(), compressed);
    return std::string(prefix.data(), prefix.size()).append(message);
}

TEST(GrpcFraming, small_answer_is_copied) {
    Answer answer(100);
    OutQueue out;
    append_grpc_message(std::move(answer.body), std::move(answer.response),
                        ContentCoding::kIdentity, kLevel, out);
    EXPECT_EQ(bytes_of(out), prefixed("head" + answer.content));
    EXPECT_EQ(pieces_of(out).size(), 1u);
}

TEST(GrpcFraming, large_tensor_is_borrowed_until_it_was_written_and_inputs_go_at_once) {
    Answer answer(limits::kMinBorrowedPiece);
    BufferRef output = answer.response->outputs[0].buffer;
    const std::weak_ptr<const int> alive = [&] {
        auto token = std::make_shared<const int>(1);
        auto identity = std::make_shared<const ModelIdentity>();
        answer.response->model = std::shared_ptr<const ModelIdentity>(token, identity.get());
        return token;
    }();
    OutQueue out;
    append_grpc_message(std::move(answer.body), std::move(answer.response),
                        ContentCoding::kIdentity, kLevel, out);
    EXPECT_EQ(bytes_of(out), prefixed("head" + answer.content));
    EXPECT_EQ(pieces_of(out).back().iov_base, answer.data);
    EXPECT_FALSE(alive.expired());
    out.consume(out.size() - 1);
    EXPECT_FALSE(alive.expired());
    out.consume(1);
    EXPECT_TRUE(alive.expired());
}

TEST(GrpcFraming, large_piece_of_the_body_itself_is_kept_too) {
    EncodedBody body;
    std::string content(limits::kMinBorrowedPiece, 'y');
    body.append_owned(content);
    OutQueue out;
    append_grpc_message(std::move(body), nullptr, ContentCoding::kIdentity, kLevel, out);
    EXPECT_EQ(bytes_of(out), prefixed(content));
}

TEST(GrpcFraming, empty_body_is_an_empty_message) {
    OutQueue out;
    append_grpc_message(EncodedBody(), nullptr, ContentCoding::kGzip, kLevel, out);
    EXPECT_EQ(bytes_of(out), prefixed(""));
}

TEST(GrpcFraming, compressed_answer_can_be_read_and_borrows_nothing) {
    for (ContentCoding coding : {ContentCoding::kGzip, ContentCoding::kDeflate}) {
        Answer answer(1 << 20);
        const std::string expected = "head" + answer.content;
        OutQueue out;
        append_grpc_message(std::move(answer.body), std::move(answer.response), coding, kLevel,
                            out);
        EXPECT_LT(out.size(), expected.size() / 100);
        BlockPool pool;
        GrpcMessageReader reader(pool, limits::kMaxGrpcMessage);
        reader.set_coding(coding);
        const std::string bytes = bytes_of(out);
        auto step = reader.next(std::as_bytes(std::span(bytes)));
        ASSERT_EQ(step.outcome, GrpcMessageReader::Outcome::kMessage);
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(step.message->data()),
                              step.message->size()),
                  expected);
    }
}

TEST(GrpcFraming, answer_that_compression_makes_larger_is_sent_as_it_is) {
    Answer answer(10);
    OutQueue out;
    append_grpc_message(std::move(answer.body), std::move(answer.response), ContentCoding::kGzip,
                        kLevel, out);
    EXPECT_EQ(bytes_of(out), prefixed("head" + answer.content));
}

}  // namespace
}  // namespace tritonpy
