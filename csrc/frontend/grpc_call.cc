#include "frontend/grpc_call.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/limits.h"
#include "frontend/grpc_framing.h"

namespace tritonpy {

namespace {

using Header = Http2Session::Header;

constexpr uint32_t kHttp2Cancel = 8;

constexpr Header kContentType{"content-type", "application/grpc", true};
constexpr Header kAcceptEncoding{"grpc-accept-encoding", "identity, deflate, gzip", true};

// zlib's level for each compression level of the options.
constexpr std::array<int, 4> kZlibLevels{1, 1, 6, 9};

// Statuses are what gRPC has numbers for; another one, of the control plane, is UNKNOWN.
Header status_header(GrpcStatus status) {
    constexpr std::array<std::string_view, 17> kNumbers{"0", "1",  "2",  "3",  "4",  "5",
                                                        "6", "7",  "8",  "9",  "10", "11",
                                                        "12", "13", "14", "15", "16"};
    auto index = static_cast<size_t>(status);
    return {"grpc-status", kNumbers[index < kNumbers.size() ? index : 2], true};
}

}  // namespace

GrpcCall::GrpcCall(GrpcLink& link, int32_t stream_id)
    : link_(link),
      stream_id_(stream_id),
      reader_(link.context.infer_calls.server().pool(), link.options.max_receive_message_size),
      arriving_(link.context.held),
      index_(link.calls.size()),
      deadline_(*this) {
    link.calls.push_back(this);
}

GrpcCall::~GrpcCall() {
    set_partial(false);
    link_.calls.back()->index_ = index_;
    std::swap(link_.calls[index_], link_.calls.back());
    link_.calls.pop_back();
}

void GrpcCall::set_codings(ContentCoding request, ContentCoding answer) {
    if (request != ContentCoding::kIdentity) {
        reader_.set_coding(request);
    }
    answer_coding_ = answer;
}

void GrpcCall::set_deadline(int64_t due_ns) { link_.context.loop.timers().arm(deadline_, due_ns); }

void GrpcCall::start(std::unique_ptr<GrpcMethod> method, Requests requests) {
    method_ = std::move(method);
    requests_ = requests;
}

// --- what comes ---------------------------------------------------------------------------------

void GrpcCall::on_data(std::span<const std::byte> bytes) {
    size_t used = 0;
    if (over_) {
        used = bytes.size();
    } else if (waiting_.empty()) {
        used = read(bytes);
    }
    if (used < bytes.size()) {
        keep(bytes.subspan(used));
    }
    link_.budget->return_credit(stream_id_, over_ ? bytes.size() : used, bytes.size());
}

// Reads messages until the bytes end or the method takes no more. Returns how many bytes are done
// with; all of them when the call is over.
size_t GrpcCall::read(std::span<const std::byte> bytes) {
    size_t used = 0;
    reading_ = true;
    while (!over_ && method_->takes_messages()) {
        GrpcMessageReader::Step step = reader_.next(bytes.subspan(used));
        used += step.used;
        if (step.outcome == GrpcMessageReader::Outcome::kMessage) {
            take(std::move(step.message));
            continue;
        }
        if (step.outcome == GrpcMessageReader::Outcome::kBad) {
            finish(reader_.error().status, reader_.error().text);
        } else if (!arriving_.try_resize(reader_.held())) {
            finish(GrpcStatus::kResourceExhausted, kTooMuchHeld);
        }
        break;
    }
    reading_ = false;
    if (over_) {
        return bytes.size();
    }
    set_partial(!reader_.at_boundary());
    return used;
}

void GrpcCall::take(BufferRef message) {
    static_cast<void>(arriving_.try_resize(0));
    GrpcCharge charge(link_.budget);
    if (!charge.try_resize(std::max(message->size(), limits::kMinMessageCharge))) {
        finish(GrpcStatus::kResourceExhausted, kTooMuchHeld);
    } else if (requests_ == Requests::kMany) {
        method_->on_message({std::move(message), std::move(charge)});
    } else if (only_) {
        finish(GrpcStatus::kUnimplemented, "the call has more than one request message");
    } else {
        only_ = GrpcMessage{std::move(message), std::move(charge)};
    }
}

// Bytes for which the method is not ready wait: the stream's credit for them with them.
void GrpcCall::keep(std::span<const std::byte> bytes) {
    if (waiting_.empty()) {
        waiting_charge_ = GrpcCharge(link_.budget);
    }
    if (!waiting_charge_.try_resize(waiting_.size() + bytes.size())) {
        finish(GrpcStatus::kResourceExhausted, kTooMuchHeld);
        return;
    }
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    set_partial(false);  // it is not the client that is slow
}

void GrpcCall::read_on() {
    if (over_ || reading_ || waiting_.empty()) {
        return;
    }
    size_t used = read(std::span(waiting_).subspan(waiting_read_));
    if (over_) {
        return;
    }
    link_.budget->return_credit(stream_id_, used, 0);
    link_.connection.request_flush();
    waiting_read_ += used;
    if (waiting_read_ < waiting_.size() && waiting_read_ < limits::kReadSize) {
        return;
    }
    // Moves what is left to the front: each byte once for every kReadSize that were read.
    waiting_.erase(waiting_.begin(),
                   waiting_.begin() + static_cast<std::ptrdiff_t>(waiting_read_));
    waiting_read_ = 0;
    static_cast<void>(waiting_charge_.try_resize(waiting_.size()));
    if (waiting_.empty()) {
        std::vector<std::byte>().swap(waiting_);
        if (half_closed_) {
            end_requests();
        }
    }
}

void GrpcCall::on_end_of_request() {
    half_closed_ = true;
    if (!over_ && waiting_.empty()) {
        end_requests();
    }
}

// The client has said its last, and all of it was read.
void GrpcCall::end_requests() {
    if (!reader_.at_boundary()) {
        finish(GrpcStatus::kInternal, "the request ends inside a message");
        return;
    }
    if (requests_ == Requests::kOne) {
        if (!only_) {
            finish(GrpcStatus::kUnimplemented, "the call has no request message");
            return;
        }
        GrpcMessage message = *std::exchange(only_, std::nullopt);
        method_->on_message(std::move(message));
    }
    if (!over_) {
        method_->on_half_close();
    }
}

void GrpcCall::on_drained() {
    if (!over_) {
        method_->on_drained();
    }
}

void GrpcCall::on_closed(uint32_t) {
    std::unique_ptr<GrpcCall> ending(this);  // who accepted the stream let go of it
    if (!over_) {
        end();
    }
}

void GrpcCall::on_timer(Timer&) {
    if (unsent() == 0) {
        finish(GrpcStatus::kDeadlineExceeded, "Deadline Exceeded");
        return;
    }
    // The client does not read, and knows its deadline as well as we do.
    if (!over_) {
        end();
    }
    link_.session.reset(stream_id_, kHttp2Cancel);
    link_.connection.request_flush();
}

// --- what is sent -------------------------------------------------------------------------------

void GrpcCall::send(EncodedBody body, std::unique_ptr<InferenceResponse> response) {
    if (over_) {
        return;
    }
    OutQueue& message = link_.message;
    append_grpc_message(std::move(body), std::move(response), answer_coding_,
                        kZlibLevels[static_cast<size_t>(link_.options.compression_level)], message);
    if (!link_.budget->try_add_unsent(message.size())) {
        message.clear();
        finish(GrpcStatus::kResourceExhausted, kTooMuchHeld);
        return;
    }
    send_head();
    link_.session.send_data(stream_id_, message);
    link_.connection.request_flush();
}

void GrpcCall::send_head() {
    if (std::exchange(head_sent_, true)) {
        return;
    }
    const std::array<Header, 4> head{Header{":status", "200", true}, kContentType, kAcceptEncoding,
                                     Header{"grpc-encoding", name_of(answer_coding_), true}};
    size_t count = answer_coding_ == ContentCoding::kIdentity ? head.size() - 1 : head.size();
    link_.session.send_headers(stream_id_, std::span(head).first(count));
}

void GrpcCall::finish(GrpcStatus status, std::string_view text) {
    if (over_) {
        return;
    }
    if (!head_sent_) {
        refuse(200, status, text);
        return;
    }
    end();
    const std::string message = encode_grpc_message(text);
    const std::array<Header, 2> trailers{status_header(status), Header{"grpc-message", message}};
    link_.session.send_trailers(stream_id_, std::span(trailers).first(text.empty() ? 1 : 2));
}

void GrpcCall::refuse(int http_status, GrpcStatus status, std::string_view text) {
    end();
    const std::string http = std::to_string(http_status);
    const std::string message = encode_grpc_message(text);
    const std::array<Header, 5> trailers{Header{":status", http}, kContentType,
                                         status_header(status), kAcceptEncoding,
                                         Header{"grpc-message", message}};
    link_.session.send_trailers(stream_id_, std::span(trailers).first(text.empty() ? 4 : 5));
}

// Nothing is read or said any more. The method stays: this may be called by it.
void GrpcCall::end() {
    over_ = true;
    set_partial(false);
    only_.reset();
    waiting_ = {};
    waiting_charge_.reset();
    static_cast<void>(arriving_.try_resize(0));
    if (unsent() == 0) {
        deadline_.cancel();  // else it drops, when due, what the client did not read
    }
    if (method_ != nullptr) {
        method_->stop();
    }
    link_.connection.request_flush();
}

void GrpcCall::set_partial(bool partial) {
    if (partial_ != partial) {
        partial_ = partial;
        link_.partial_messages += partial ? 1 : size_t{0} - 1;
    }
}

}  // namespace tritonpy
