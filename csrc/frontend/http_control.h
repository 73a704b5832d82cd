// HTTP requests that the control plane answers: as it gets them, and its answers as bytes.
//
// Threads: confined(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "frontend/control_bridge.h"
#include "frontend/http_answer.h"
#include "frontend/http_request_body.h"
#include "wire/http1_head.h"
#include "wire/out_queue.h"

namespace tritonpy {

// The request as an event: header names in lower case, the body without its chunks.
ControlEvent control_request(const Http1Head& head, HttpBody& body);

// One answer of the control plane, written as it comes. Its body has the length that its headers
// say; without one it goes in chunks, or to an HTTP/1.0 client until the connection closes.
// Threads: confined(io).
class HttpControlAnswer {
  public:
    // Appends the head. May take back terms.keep_alive. Headers that say how the body is framed or
    // what becomes of the connection are ours to write, and left out.
    void begin(OutQueue& out, int status, const ControlHeaders& headers, AnswerTerms& terms);
    bool begun() const { return framing_ != Framing::kNotBegun; }

    // Appends bytes of the body, those beyond its length left out. False when limits::kMaxHeld is
    // reached: then the answer cannot be finished. REQUIRES: begun().
    [[nodiscard]] bool append(OutQueue& out, std::string bytes, HeldBytes& held);
    // Appends what ends the body. False when it is shorter than its length: then the connection
    // must not serve another request. REQUIRES: begun().
    [[nodiscard]] bool end(OutQueue& out);

  private:
    enum class Framing : uint8_t { kNotBegun, kNoBody, kLength, kChunks, kUntilClose };
    Framing framing_ = Framing::kNotBegun;
    uint64_t left_ = 0;  // of the length
};

}  // namespace tritonpy
