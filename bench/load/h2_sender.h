// Sends gRPC messages as HTTP/2 frames, within the peer's flow control.
//
// Small messages are copied together and leave with one send for all that one receive led to. Large
// ones are borrowed: a lot of frame heads is written, and goes out with the slices of the message
// between them. Messages leave in the order in which they came.
//
// Threads: compatible; each connection has one.
// Owns: frames that have not left. Borrows: heads, messages and trailers, which outlive it.
// Limits: IOV_MAX pieces a send; whoever adds messages bounds their count.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "h2_frames.h"

namespace tritonpy::bench::h2 {

// A call's one message, or its answer: the same bytes for every stream.
struct Message {
    std::string_view head;     // the block of the HEADERS frame
    std::string_view body;     // not empty
    std::string_view trailers;  // empty: the last DATA frame ends the stream
};

class Sender {
  public:
    // Where control frames are appended; they leave at the next frame's end.
    std::string& control() { return out_; }
    void send_message(uint32_t stream, const Message& message);
    // What to do about a peer's SETTINGS (acknowledged here), WINDOW_UPDATE and RST_STREAM.
    void on_settings(std::string_view payload);
    void on_window_update(uint32_t stream, uint32_t increment);
    void forget(uint32_t stream);
    // Notes what was received; returns credit to the peer when enough has come together.
    void received(size_t count);

    // Sends until nothing may be sent or the socket takes no more; false when it is broken.
    bool send_some(int descriptor);
    // Whether there is something that only waits for room in the socket.
    bool owes() const;

  private:
    // A message in borrowed frames: how much of it went into them, and what may still.
    struct Borrowed {
        uint32_t stream;
        Message message;
        size_t sent;
        int64_t window;
    };

    // What the next DATA frame may hold: 0 when the message is cut, or a window is shut.
    size_t next_payload(const Borrowed& one) const;
    void prepare_lot();
    void cut_frames(Borrowed& one);
    void add_piece(const char* data, size_t size);
    void consume(size_t sent);

    std::string out_;
    std::deque<Borrowed> borrowed_;
    int64_t initial_window_ = kDefaultWindow;
    int64_t window_ = kDefaultWindow;
    int64_t received_ = 0;  // since credit was last returned
    // The lot that is leaving: its copied bytes, all its pieces, and the next to go.
    std::string lot_;
    std::vector<iovec> pieces_;
    size_t next_piece_ = 0;
};

}  // namespace tritonpy::bench::h2
