// Writing HTTP/1.1 responses: heads out of constant pieces, bodies copied or given away.
//
// Threads: compatible; functions write to the queue they are given.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "frontend/held_share.h"
#include "wire/out_queue.h"

namespace tritonpy {

// How a request wants its answer.
struct AnswerTerms {
    int minor_version = 1;   // of the request's HTTP/1.x
    bool keep_alive = true;  // the connection serves more requests
    bool head_only = false;  // HEAD: no body
};

// The head of an answer of ours. For constant lines and numbers only.
// Threads: compatible.
class HttpAnswerHead {
  public:
    explicit HttpAnswerHead(int status);
    // Whole lines, each with its end. REQUIRES: all lines of a head fit into kRoom.
    void lines(std::string_view text);
    // `name` with its colon and space.
    void number(std::string_view name, size_t value);
    // Ends the head, for a body of so many bytes, and appends it.
    void finish(OutQueue& out, size_t body_size, const AnswerTerms& terms);

  private:
    static constexpr size_t kRoom = 512;
    std::array<char, kRoom> text_;
    size_t size_ = 0;
};

// What a keep-alive or its absence makes a server say; empty when nothing needs to be said.
std::string_view connection_line(const AnswerTerms& terms);

void append_empty_answer(OutQueue& out, int status, const AnswerTerms& terms);

// {"error":"<text>"}, with the headers that say what would help: Retry-After when it is worth
// trying again, Accept-Encoding when the coding was not known.
void append_error_answer(OutQueue& out, int status, std::string_view text,
                         const AnswerTerms& terms);
// REQUIRES: !error.ok().
void append_error_answer(OutQueue& out, const Status& error, const AnswerTerms& terms);

// Appends bytes of a body: few are copied, more are given away with their share, which goes when
// they were written.
void append_given(OutQueue& out, std::string bytes, HeldShare share);

// The share of an answer of so many bytes: nothing for few, which are copied. Nothing also, and
// false, when limits::kMaxHeld is reached.
[[nodiscard]] bool count_answer(HeldShare& share, size_t size);

}  // namespace tritonpy
