#include "frontend/http_inference.h"

#include <optional>
#include <string>
#include <utility>

#include "base/limits.h"
#include "frontend/client_headers.h"
#include "frontend/requested_version.h"
#include "wire/encoded_body.h"
#include "wire/v2_json.h"

namespace tritonpy {

namespace {

// Fast rather than small: a response is read once, and level 9 takes 10 times as long.
constexpr int kCompressionLevel = 1;

// What is encoded, kept until the last of it was written.
struct SentResponse {
    std::unique_ptr<InferenceResponse> response;
    EncodedBody body;
    HeldShare share;
};

Result<ContentCoding> coding_of(const Http1Head& head) {
    if (auto coding = content_coding_of(head.content_encoding())) {
        return *coding;
    }
    return unsupported("Unsupported compression type");
}

Result<std::optional<int64_t>> json_length_of(const Http1Head& head) {
    if (!head.json_length()) {
        return std::optional<int64_t>();
    }
    TRITONPY_ASSIGN_OR_RETURN(int64_t length, parse_json_length(*head.json_length()));
    return std::optional<int64_t>(length);
}

Status add_client_headers(const IoContext& context, const Http1Head& head,
                          InferenceRequest& request) {
    ClientHeaderReader reader(ClientHeaderReader::Protocol::kHttp,
                              context.options.http->forwarded_headers.get(),
                              context.infer_calls.server());
    if (reader.wants_any()) {
        for (const Http1Header& header : head.headers()) {
            TRITONPY_RETURN_IF_ERROR(reader.read(header.name, header.value));
        }
        reader.taken().add_to(request);
    }
    return Status();
}

// The body without its coding.
Status unpack(HttpBody& body, ContentCoding coding, IoContext& context) {
    BlockPool& pool = context.infer_calls.server().pool();
    if (!body.bytes) {
        TRITONPY_ASSIGN_OR_RETURN(body.bytes, pool.allocate(0));
    }
    size_t max_size = context.options.http->max_input_size;
    TRITONPY_ASSIGN_OR_RETURN(BufferRef unpacked, decompress(body.bytes, coding, max_size, pool));
    HeldShare share(context.held);
    if (!share.try_resize(unpacked->size())) {
        return unavailable(std::string(kTooMuchHeld));
    }
    if (unpacked->size() <= limits::kMaxCopiedBody) {
        body.bytes = std::move(unpacked);
        body.held = std::move(share);
    } else {
        body.bytes = count_while_alive(std::move(unpacked), std::move(share));
        body.held = HeldShare();
    }
    return Status();
}

void finish_head(OutQueue& out, std::optional<size_t> json_length, ContentCoding coding,
                 size_t size, const AnswerTerms& terms) {
    HttpAnswerHead head(200);
    if (json_length) {
        head.lines("content-type: application/octet-stream\r\n");
        head.number("inference-header-content-length: ", *json_length);
    } else {
        head.lines("content-type: application/json\r\n");
    }
    if (coding == ContentCoding::kGzip) {
        head.lines("content-encoding: gzip\r\n");
    } else if (coding == ContentCoding::kDeflate) {
        head.lines("content-encoding: deflate\r\n");
    }
    head.finish(out, size, terms);
}

// Bytes of pieces that the queue would copy.
size_t copied_bytes(const EncodedBody& body) {
    size_t copied = 0;
    for (auto piece : body.pieces()) {
        copied += piece.size() < limits::kMinBorrowedPiece ? piece.size() : 0;
    }
    return copied;
}

std::string joined(const EncodedBody& body) {
    std::string text;
    text.reserve(body.size());
    for (auto piece : body.pieces()) {
        text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    return text;
}

// Appends pieces, large ones borrowed until they were written; copies all of a small body, so that
// the response goes at once.
void append_pieces(OutQueue& out, std::unique_ptr<SentResponse> sent) {
    if (sent->body.size() <= limits::kMaxCopiedBody) {
        for (auto piece : sent->body.pieces()) {
            out.append(std::string_view(reinterpret_cast<const char*>(piece.data()), piece.size()));
        }
        return;
    }
    // Shared, as the queue wants its owners.
    std::shared_ptr<SentResponse> owner = std::move(sent);
    owner->response->request.reset();  // with its inputs, which nobody needs any more
    for (auto piece : owner->body.pieces()) {
        out.append(piece, owner);
    }
}

}  // namespace

Status check_http_inference(const IoContext& context, const Http1Head& head,
                            const V2Route& route) {
    const InferenceServer& server = context.infer_calls.server();
    TRITONPY_ASSIGN_OR_RETURN(int64_t version,
                              requested_version(server, route.model, route.version));
    TRITONPY_RETURN_IF_ERROR(coding_of(head).status());
    TRITONPY_RETURN_IF_ERROR(json_length_of(head).status());
    return server.model_identity(route.model, version).status();
}

Result<InferCall*> submit_http_inference(IoContext& context, const Http1Head& head,
                                         const V2Route& route, HttpBody& body,
                                         ResponseReceiver& receiver) {
    InferenceServer& server = context.infer_calls.server();
    TRITONPY_ASSIGN_OR_RETURN(int64_t version,
                              requested_version(server, route.model, route.version));
    TRITONPY_ASSIGN_OR_RETURN(ContentCoding coding, coding_of(head));
    if (coding != ContentCoding::kIdentity) {
        TRITONPY_RETURN_IF_ERROR(unpack(body, coding, context));
    }
    TRITONPY_ASSIGN_OR_RETURN(std::optional<int64_t> json_length, json_length_of(head));
    TRITONPY_ASSIGN_OR_RETURN(auto model, server.model_identity(route.model, version));
    TRITONPY_ASSIGN_OR_RETURN(
        auto request, decode_infer_json(body.bytes, json_length, *model,
                                        context.options.http->max_input_size, server.pool()));
    body.bytes = BufferRef();
    request->model_name = route.model;
    request->model_version = version;
    TRITONPY_RETURN_IF_ERROR(add_client_headers(context, head, *request));
    return context.infer_calls.submit(std::move(request), receiver);
}

void append_inference_answer(OutQueue& out, std::unique_ptr<InferenceResponse> response,
                             ContentCoding coding, const AnswerTerms& terms, HeldBytes& held) {
    if (!response->status.ok()) {
        append_error_answer(out, response->status, terms);
        return;
    }
    auto sent = std::make_unique<SentResponse>();
    sent->response = std::move(response);
    sent->share = HeldShare(held);
    if (Status status = encode_infer_json(*sent->response, sent->body); !status.ok()) {
        append_error_answer(out, status, terms);
        return;
    }
    std::optional<std::string> text;  // the body, when it is one string
    if (coding != ContentCoding::kIdentity) {
        text = compress(sent->body, coding, kCompressionLevel);
        if (text->empty()) {  // no memory for it: as it is, then
            text.reset();
            coding = ContentCoding::kIdentity;
        }
    }
    if (!text && copied_bytes(sent->body) > limits::kMaxCopiedBody) {
        text = joined(sent->body);  // thousands of small tensors
    }
    size_t size = text ? text->size() : sent->body.size();
    if (!count_answer(sent->share, size)) {
        append_error_answer(out, unavailable(std::string(kTooMuchHeld)), terms);
        return;
    }
    finish_head(out, sent->body.json_length, coding, size, terms);
    if (text) {
        append_given(out, std::move(*text), std::move(sent->share));
    } else {
        append_pieces(out, std::move(sent));
    }
}

}  // namespace tritonpy
