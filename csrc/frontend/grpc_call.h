// One gRPC call: a stream of HTTP/2 as messages in, messages out and a status.
//
// What all calls share is here: reading messages, giving credit back, the deadline, compression,
// the head and the trailers. What a call does with its messages is its method's. A method that has
// enough to do takes no more messages: what then comes waits as raw bytes, and the client gets no
// more credit for the stream until they are read, so that at most a window of them is here.
//
// Threads: confined(io).
// Owns: the method, the message being received, bytes that wait; itself, until the stream closes.
// Borrows: the link.
// Invariants: 1. a method hears nothing after stop, which it hears exactly once;
//             2. a call is over once: by finish, by its deadline, or with its stream.
// Limits: the options' largest message, limits::kStreamWindow, kMaxUnwritten, kMaxHeld.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/timer_wheel.h"
#include "frontend/grpc_link.h"
#include "infer/response.h"
#include "memory/buffer.h"
#include "wire/content_coding.h"
#include "wire/encoded_body.h"
#include "wire/grpc_message.h"
#include "wire/http2_session.h"

namespace tritonpy {

// A message of the client, and what it holds of the connection's budget.
struct GrpcMessage {
    BufferRef bytes;
    GrpcCharge charge;
};

// What a call does.
// Threads: confined(io). Borrows: its call.
class GrpcMethod {
  public:
    virtual ~GrpcMethod() = default;
    // Whether it takes a message now. After false it calls GrpcCall::read_on when it does again.
    virtual bool takes_messages() const = 0;
    virtual void on_message(GrpcMessage message) = 0;
    // All messages of the client were taken.
    virtual void on_half_close() = 0;
    // Fewer than limits::kMaxUnwritten bytes wait to be written again.
    virtual void on_drained() = 0;
    // The call is over: cancels what is at work. The last call; it may come inside one of the
    // method's own calls to GrpcCall.
    virtual void stop() = 0;
};

class GrpcCall final : public Http2Stream, public Timer::Handler {
  public:
    // How many messages the client may send: kOne is given to the method when it is clear that
    // there is no second.
    enum class Requests : uint8_t { kOne, kMany };

    GrpcCall(GrpcLink& link, int32_t stream_id);
    ~GrpcCall() override;
    GrpcCall(const GrpcCall&) = delete;
    GrpcCall& operator=(const GrpcCall&) = delete;

    // What the client's compressed messages and the answers are in.
    void set_codings(ContentCoding request, ContentCoding answer);
    void set_deadline(int64_t due_ns);
    // REQUIRES: called once, or the call is refused.
    void start(std::unique_ptr<GrpcMethod> method, Requests requests);
    // Answers instead of a method, with a status of HTTP too.
    void refuse(int http_status, GrpcStatus status, std::string_view text);

    GrpcLink& link() { return link_; }
    bool over() const { return over_; }
    // Bytes of answers that wait for the client.
    size_t unsent() const { return link_.session.unsent(stream_id_); }

    // Sends one message. Large pieces are borrowed from `response`, or from `body` itself, until
    // they are written; otherwise both are freed at once. Without room for it the call ends with
    // RESOURCE_EXHAUSTED. Nothing when the call is over.
    void send(EncodedBody body, std::unique_ptr<InferenceResponse> response);
    // Ends the call, behind the messages that were sent.
    void finish(GrpcStatus status, std::string_view text);
    // REQUIRES: !error.ok().
    void fail(const Status& error) { finish(grpc_status_of(error.code()), error.message()); }
    // The method takes messages again.
    void read_on();

    void on_data(std::span<const std::byte> bytes) override;
    void on_end_of_request() override;
    void on_drained() override;
    void on_closed(uint32_t error_code) override;
    void on_timer(Timer& timer) override;

  private:
    size_t read(std::span<const std::byte> bytes);
    void take(BufferRef message);
    void keep(std::span<const std::byte> bytes);
    void end_requests();
    void end();
    void set_partial(bool partial);
    void send_head();

    GrpcLink& link_;
    const int32_t stream_id_;
    Requests requests_ = Requests::kOne;
    ContentCoding answer_coding_ = ContentCoding::kIdentity;
    bool head_sent_ = false;
    bool over_ = false;
    bool half_closed_ = false;
    bool reading_ = false;  // inside read
    bool partial_ = false;  // counted in link_.partial_messages
    GrpcMessageReader reader_;
    HeldShare arriving_;               // what the reader holds
    std::optional<GrpcMessage> only_;  // kOne: the message, until the client has said its last
    std::vector<std::byte> waiting_;   // raw bytes that the method did not take yet
    size_t waiting_read_ = 0;          // of them, already read
    GrpcCharge waiting_charge_;
    std::unique_ptr<GrpcMethod> method_;  // null: refused
    size_t index_;                        // in link_.calls
    Timer deadline_;
};

}  // namespace tritonpy
