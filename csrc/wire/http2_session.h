// One HTTP/2 connection of a gRPC server, without its socket: nghttp2 behind what we need of it.
//
// Bytes that were read go into receive; what is to be written is appended by produce. Requests come
// out as streams; what a stream answers waits in a queue of its own and is framed as the client's
// windows allow, borrowed bytes staying borrowed. Receive credit is returned by the owner, not by
// nghttp2, so that a client cannot push faster than its requests are used up.
//
// Floods end the connection: settings and ping acknowledgements, entries of SETTINGS and
// CONTINUATION frames are bounded by nghttp2, streams reset by the client here. A header list that
// is too large ends its own stream only, before it is held.
//
// Streams share the connection's window in turns, a frame each; clients' priorities are ignored.
//
// Threads: confined(io). Owns: the nghttp2 session, each stream's unsent bytes.
// Borrows: the events and the streams' receivers; a receiver is not used after its on_closed.
// Invariants: 1. every stream that on_request accepted gets exactly one on_closed;
//             2. no call here calls back synchronously, but for receive, produce and the
//                destructor; inside a callback everything but these three may be called.
// Limits: limits::kMaxConcurrentStreams, kMaxRequestHead, kMaxRequestHeaders, kStreamWindow,
// kConnectionWindow, kMaxDataFrame, kMaxUnsentAcks, kMaxSettingsEntries, kMaxContinuations,
// kStreamResetBurst, kStreamResetsPerSecond. Unsent bytes: the owner asks unsent first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/status.h"
#include "wire/http2_headers.h"
#include "wire/out_queue.h"

namespace tritonpy {

// Receives what comes on one stream.
// Threads: confined(io).
class Http2Stream {
  public:
    virtual ~Http2Stream() = default;
    // Body bytes; their credit is owed until Http2Session::consume.
    virtual void on_data(std::span<const std::byte> bytes) = 0;
    // The client has said its last.
    virtual void on_end_of_request() = 0;
    // Less than limits::kMaxUnwritten is unsent again, after it was more.
    virtual void on_drained() = 0;
    // The stream is over, whoever ended it: 0 when both sides did in order, else an HTTP/2 error
    // code. The last call; it may free the receiver.
    virtual void on_closed(uint32_t error_code) = 0;
};

// Receives what concerns the whole connection.
// Threads: confined(io).
class Http2Events {
  public:
    virtual ~Http2Events() = default;
    // A request's head; the headers are valid during the call. Returns who receives the rest; null
    // refuses the stream (RST_STREAM(REFUSED_STREAM)). The stream can be answered in the call.
    virtual Http2Stream* on_request(int32_t stream_id, const Http2Headers& headers) = 0;
    virtual void on_ping() = 0;               // the client's
    virtual void on_ping_acknowledged() = 0;  // an answer to ours
    // Headers or data were sent or received: pings are welcome again.
    virtual void on_traffic() = 0;
};

// Threads: confined(io).
class Http2Session {
  public:
    // A field of an answer: names in lower case, ":status" first.
    struct Header {
        std::string_view name;
        std::string_view value;
        bool is_static = false;  // both are literals, or live as long: they need not be copied
    };

    explicit Http2Session(Http2Events& events);
    // Streams that are still open get on_closed.
    ~Http2Session();
    Http2Session(const Http2Session&) = delete;
    Http2Session& operator=(const Http2Session&) = delete;

    // Takes everything that was read; `now_ns` is for rates. Not OK: the connection is beyond
    // repair, or the client broke a bound; write what produce still gives (a GOAWAY) and close, for
    // nothing is taken any more. A breach of HTTP/2 that nghttp2 answers by itself is OK here, and
    // finished() once produce has given that GOAWAY.
    Status receive(std::span<const std::byte> bytes, int64_t now_ns);

    // Appends frames until `out` holds limits::kMaxUnwritten (and perhaps the rest of a frame) or
    // nothing more may be sent. Whether more is ready: the caller comes back when `out` has drained
    // (nobody else reminds it).
    bool produce(OutQueue& out);

    // Answers. On a stream that is closed, or reset, they do nothing.
    // REQUIRES: at most once, before send_data and send_trailers.
    void send_headers(int32_t stream_id, std::span<const Header> headers);
    // Moves `data` behind what the stream already has to send.
    void send_data(int32_t stream_id, OutQueue& data);
    // Ends the stream with trailers, behind its data; without headers sent before, they are the
    // whole answer. When the client has not said its last, RST_STREAM(NO_ERROR) follows.
    // REQUIRES: nothing is sent on the stream afterwards.
    void send_trailers(int32_t stream_id, std::span<const Header> trailers);
    // Ends the stream at once; unsent bytes are dropped, and all that is still heard of it is
    // on_closed.
    void reset(int32_t stream_id, uint32_t error_code);
    // Bytes given to send_data that produce has not framed yet.
    size_t unsent(int32_t stream_id) const;
    size_t unsent() const;  // over all streams

    // Returns receive credit for body bytes: `stream` ones to the stream (when it is still there),
    // `connection` ones to the connection. REQUIRES: no byte of on_data is returned twice.
    void consume(int32_t stream_id, size_t stream, size_t connection);

    void ping();
    // Announces the end (GOAWAY with the highest id), so that streams on their way are still taken;
    // go_away then refuses new ones. After a go_away with an error the caller closes as soon as
    // what produce gives is written.
    void announce_shutdown();
    void go_away(uint32_t error_code, std::string_view debug_text);
    size_t open_streams() const;
    // Nothing to read and nothing to write any more.
    bool finished() const;

  private:
    struct Implementation;  // nghttp2's types stay out of this header
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace tritonpy
