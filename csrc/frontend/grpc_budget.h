// What the calls of one gRPC connection hold, and the receive credit that depends on it.
//
// A whole message is work until its answer is written: waiting for its turn, in the core, at the
// control plane, waiting for the client to read. While that is less than
// limits::kMaxHeldPerConnection, the connection's receive credit goes back as bytes come. Above it
// is owed, and goes back when the work has become less, so that a client that sends faster than it
// is served, or does not read its answers, is stopped by its window.
//
// Bytes of messages that are still arriving are no work. Only more bytes would end them, so credit
// that waited for them could wait for ever; and an upload should not stop because of a request
// that runs for long. They are bounded by HeldBytes, as all is.
//
// Threads: confined(io).
// Owns: this connection's part of HeldBytes. Borrows: the session and the connection until detach.
// Invariants: 1. what was charged leaves HeldBytes with its charge, also when the connection has
//                gone;
//             2. credit that is owed goes back at the latest when no work is left.
// Limits: limits::kMaxHeldPerConnection, kMaxHeld.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "frontend/connection.h"
#include "frontend/held_share.h"
#include "wire/http2_session.h"

namespace tritonpy {

class GrpcBudget {
  public:
    GrpcBudget(HeldBytes& held, Http2Session& session, Connection& connection)
        : held_(held), session_(&session), connection_(&connection), unsent_(held) {}
    GrpcBudget(const GrpcBudget&) = delete;
    GrpcBudget& operator=(const GrpcBudget&) = delete;

    HeldBytes& held() { return held_; }

    // Returns credit for body bytes: to the stream at once, to the connection now or later.
    void return_credit(int32_t stream_id, size_t stream_bytes, size_t connection_bytes);
    // Whether the client waits for credit.
    bool owes_credit() const { return owed_ != 0; }

    // Answers that were given to the session; false when HeldBytes has no room for them.
    [[nodiscard]] bool try_add_unsent(size_t bytes);
    // How much is still to be written.
    void settle_unsent(size_t bytes);

    // Bytes of whole messages and of answers.
    size_t work() const { return charged_ + unsent_.size(); }

    // Requests that the core still has, although their call is over.
    void add_abandoned() { ++abandoned_; }
    void remove_abandoned() { --abandoned_; }
    size_t abandoned() const { return abandoned_; }

    // The connection has gone; requests in the core keep their charges.
    void detach();

  private:
    friend class GrpcCharge;
    void grew(size_t bytes) { charged_ += bytes; }
    void shrank(size_t bytes);
    void return_owed();

    HeldBytes& held_;
    Http2Session* session_;   // null: detached
    Connection* connection_;  // null: detached
    HeldShare unsent_;
    size_t charged_ = 0;
    size_t owed_ = 0;
    size_t abandoned_ = 0;
};

// The part of a budget that one message has.
// Threads: confined(io).
class GrpcCharge {
  public:
    // Of nothing; for moving into.
    GrpcCharge() = default;
    // The budget is shared: a request may come home from the core after its connection has gone.
    explicit GrpcCharge(std::shared_ptr<GrpcBudget> budget)
        : share_(budget->held()), budget_(std::move(budget)) {}
    GrpcCharge(GrpcCharge&& other) noexcept = default;
    GrpcCharge& operator=(GrpcCharge other) noexcept {
        std::swap(share_, other.share_);
        std::swap(budget_, other.budget_);
        return *this;
    }
    ~GrpcCharge() { reset(); }

    // False, and nothing changes, when HeldBytes has no room. REQUIRES, to grow: made with a
    // budget.
    [[nodiscard]] bool try_resize(size_t bytes);
    void reset();
    size_t size() const { return share_.size(); }

  private:
    HeldShare share_;
    std::shared_ptr<GrpcBudget> budget_;
};

}  // namespace tritonpy
