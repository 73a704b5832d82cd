// Requests that the control plane answers, handed whole from io threads to Python and back.
//
// Both protocols share one shape: a call starts with its head and, for HTTP, its whole body; a gRPC
// call goes on with messages; answers are a head, pieces, and an end. Ids connect them. Python
// takes events from one place, woken by one eventfd; an answer goes to the io thread that asked.
//
// Threads: ControlBridge::take_events and answer are confined(python); ControlCalls is
// confined(io), one for each loop; what is between them is thread-safe.
// Owns: events that were not taken, answers that were not delivered.
// Invariants: 1. a call that started is ended exactly once: by a kEnd answer, or by cancel, after
//                which answers to it are dropped;
//             2. events of one call are taken in the order in which they happened.
// Limits: limits::kMaxControlCalls at once, over all loops.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "frontend/event_loop.h"
#include "memory/buffer.h"
#include "queue/inbox.h"
#include "queue/wakeup.h"

namespace tritonpy {

using ControlHeaders = std::vector<std::pair<std::string, std::string>>;

struct ControlEvent {
    enum class Kind : uint8_t {
        kHttpRequest,  // method, target, headers, body (as sent, only unchunked)
        kGrpcCall,     // target is :path, headers the metadata (pseudo headers left out)
        kGrpcMessage,  // body: one message, decompressed
        kHalfClose,    // gRPC: the client has said its last
        kTaken,        // the last piece sent for the call has left our memory, or nearly
        kGone,         // the client has gone, or its deadline passed: stop
    };
    Kind kind;
    uint64_t call_id;
    std::string method;
    std::string target;
    ControlHeaders headers;
    BufferRef body;
    int minor_version = 1;  // HTTP/1.x
    size_t chunks = 0;      // of a chunked HTTP body, the empty last one included; 0: not chunked
};

struct ControlAnswer {
    enum class Kind : uint8_t {
        kHead,   // HTTP: status and headers
        kPiece,  // HTTP: body bytes; gRPC: one message. Answered with kTaken
        kEnd,    // HTTP: last body bytes (perhaps none); gRPC: status and its text
    };
    Kind kind;
    uint64_t call_id;
    int status = 0;  // HTTP's or gRPC's
    ControlHeaders headers;
    std::string bytes;  // body, message, or gRPC's status text
};

// Whom the answers of a call are for.
// Threads: confined(io).
class ControlReceiver {
  public:
    virtual ~ControlReceiver() = default;
    // After kEnd the call is over. May free the receiver.
    virtual void on_answer(ControlAnswer answer) = 0;
};

class ControlBridge;

// One loop's calls.
class ControlCalls final : public LoopSource {
  public:
    // `index` is the loop's number, below limits::kMaxIoThreads. REQUIRES: the loop does not run.
    ControlCalls(EventLoop& loop, ControlBridge& bridge, size_t index);
    // REQUIRES: every call has ended, and nobody answers any more.
    ~ControlCalls() override;

    // Starts a call with its head (kHttpRequest or kGrpcCall); call_id is set here and returned.
    // unavailable `too many calls are waiting for the control plane`, or `Server exiting` when the
    // bridge is closed.
    Result<uint64_t> start(ControlEvent head, ControlReceiver& receiver);
    // A further event of a call; dropped when the call is over.
    void send(ControlEvent event);
    // The receiver hears no more; Python gets kGone. Nothing happens when the call is over.
    void cancel(uint64_t call_id);

    bool drain() override;
    bool arm() override;

  private:
    friend class ControlBridge;
    // Takes a call out of the books; false when it was over.
    bool end(uint64_t call_id);

    ControlBridge& bridge_;
    const size_t index_;
    uint64_t last_id_;
    Inbox<ControlAnswer> answers_;
    std::vector<ControlAnswer> taken_;
    std::unordered_map<uint64_t, ControlReceiver*> receivers_;
};

class ControlBridge {
  public:
    ControlBridge();
    ControlBridge(const ControlBridge&) = delete;
    ControlBridge& operator=(const ControlBridge&) = delete;

    // unavailable when the system had no descriptor left: then nothing else may be called.
    Status status() const;
    // Readable when there are events.
    int descriptor() const { return wakeup_.descriptor(); }
    // What has happened since the last call; then the descriptor is quiet until more happens.
    std::vector<ControlEvent> take_events();
    // Hands an answer to the loop that asked; dropped there when its call is over. REQUIRES: the id
    // is of an event that was taken.
    void answer(ControlAnswer answer);
    // Refuses new calls from now on. Thread-safe.
    void close();

  private:
    friend class ControlCalls;
    Wakeup wakeup_;
    Inbox<ControlEvent> events_;
    std::array<ControlCalls*, limits::kMaxIoThreads> loops_{};  // filled before the loops run
    std::atomic<size_t> open_calls_{0};  // relaxed: a count, which orders nothing
    std::atomic<bool> closed_{false};    // relaxed: one call more or less
};

}  // namespace tritonpy
