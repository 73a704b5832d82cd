// A stream of an HTTP/2 session, from its request's head until it is closed: what is still to be
// sent on it, and how far it has come.
//
// For http2_session.cc alone.
//
// Threads: confined(io). Owns: the unsent bytes and the trailers. Borrows: the receiver.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "wire/out_queue.h"

namespace tritonpy {

class Http2Stream;

struct Http2OpenStream {
    Http2Stream* receiver = nullptr;  // null while on_request runs
    int32_t id = 0;
    size_t index = 0;                  // in the list of open ones
    OutQueue out;                      // given to send_data, not framed yet
    std::vector<nghttp2_nv> trailers;  // kept until the last of `out` is framed
    std::string trailer_text;          // their names and values, but for static ones
    bool answered = false;             // headers, or trailers alone, were submitted
    bool ending = false;               // nothing comes behind `out` but the trailers
    bool resetting = false;            // RST_STREAM waits to be sent
    bool backed_up = false;            // on_drained is owed
    std::optional<uint64_t> missing;   // of the body's bytes, when the head said how many there are

    void clear() {
        receiver = nullptr;
        out.clear();
        trailers.clear();
        trailer_text.clear();
        answered = ending = resetting = backed_up = false;
        missing.reset();
    }

    // Counts bytes of the body; false when there are more than the head said.
    bool counts(size_t bytes) {
        if (missing && bytes > *missing) {
            return false;
        }
        if (missing) {
            *missing -= bytes;
        }
        return true;
    }
};

// A new stream, and a closed one to be kept for it. They are kept for all sessions of the thread,
// so that a new stream's memory is what was in cache last.
std::unique_ptr<Http2OpenStream> take_free_stream();
void keep_free_stream(std::unique_ptr<Http2OpenStream> stream);

}  // namespace tritonpy
