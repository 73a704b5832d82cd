#include "frontend/connection.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace tritonpy {
namespace {

constexpr uint32_t kReadable = EPOLLIN;
constexpr uint32_t kWritable = EPOLLOUT;
constexpr int64_t kNsPerMs = 1'000'000;

// What an honest peer moves in `window_ns` at the least.
uint64_t min_progress(int64_t window_ns) {
    const uint64_t ms = static_cast<uint64_t>(window_ns / kNsPerMs);
    return ms * limits::kMinRequestBytesPerSecond / 1000;
}

}  // namespace

Connection::Connection(EventLoop& loop, std::unique_ptr<Transport> transport,
                       ConnectionOwner& owner, Timeouts timeouts)
    : loop_(loop),
      transport_(std::move(transport)),
      owner_(owner),
      timeouts_(timeouts),
      idle_timer_(*this),
      progress_timer_(*this) {}

Connection::~Connection() {
    if (state_ != State::kNew && state_ != State::kClosed) {
        state_ = State::kClosed;
        loop_.unwatch(transport_->descriptor(), *this);
        protocol_->on_closed();
    }
    protocol_.reset();  // before what it may still touch
    if (flush_requested_) {
        loop_.forget_turn_end(*this);
    }
}

Status Connection::start(std::unique_ptr<Protocol> protocol) {
    TRITONPY_CHECK(state_ == State::kNew && protocol_ == nullptr);
    TRITONPY_RETURN_IF_ERROR(loop_.watch(transport_->descriptor(), kReadable, *this));
    protocol_ = std::move(protocol);
    interest_ = kReadable;
    state_ = State::kOpen;
    last_activity_ns_ = loop_.now_ns();
    const int64_t look_ns = transport_->is_set_up()
                                ? timeouts_.idle_ns
                                : std::min(timeouts_.idle_ns, timeouts_.request_ns);
    loop_.timers().arm(idle_timer_, last_activity_ns_ + look_ns);
    return {};
}

void Connection::request_flush() {
    if (!flush_requested_ && state_ != State::kClosed) {
        flush_requested_ = true;
        loop_.call_at_turn_end(*this);
    }
}

void Connection::resume_reading() {
    if (std::exchange(reading_, true) || !wants_input()) {
        return;
    }
    set_interest(interest_ | kReadable);
    if (read_on_) {
        request_flush();  // reads first
    }
}

void Connection::expect_more(bool partial) {
    if (state_ != State::kOpen || partial == progress_timer_.armed()) {
        return;
    }
    if (partial) {
        progress_at_window_ = read_;
        loop_.timers().arm(progress_timer_, loop_.now_ns() + timeouts_.request_ns);
    } else {
        progress_timer_.cancel();
    }
}

void Connection::set_busy(bool busy) {
    if (std::exchange(busy_, busy) && !busy) {
        last_activity_ns_ = loop_.now_ns();
    }
}

void Connection::close_after_flush() {
    if (state_ != State::kOpen) {
        return;
    }
    state_ = State::kFlushing;
    idle_timer_.cancel();
    watch_delivery(limits::kClosingWindowNs);
    if (!input_ended_) {
        set_interest(interest_ | kReadable);
    }
    request_flush();
}

void Connection::close_now() {
    if (state_ == State::kClosed || state_ == State::kNew) {
        return;
    }
    state_ = State::kClosed;
    idle_timer_.cancel();
    progress_timer_.cancel();
    loop_.unwatch(transport_->descriptor(), *this);
    out_.clear();
    protocol_->on_closed();
    owner_.on_connection_closed(*this);
}

void Connection::on_events(uint32_t events) {
    const uint64_t read_before = read_;
    if ((events & EPOLLOUT) != 0) {
        write_blocked_ = false;
        request_flush();
        if (std::exchange(read_waits_to_write_, false)) {
            read();
        }
    }
    if ((events & EPOLLIN) != 0) {
        if (std::exchange(write_waits_to_read_, false)) {
            request_flush();
        }
        if (wants_input()) {
            read();
        } else {
            set_interest(interest_ & ~kReadable);
        }
    }
    // Gone both ways; what the client had sent before is read to its end.
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 && (!wants_input() || read_ == read_before)) {
        close_now();
    }
}

void Connection::on_turn_end() {
    flush_requested_ = false;
    if (read_on_ && wants_input()) {
        read();
    }
    flush();
    const bool waits_to_write = write_blocked_ || read_waits_to_write_;
    set_interest(waits_to_write ? interest_ | kWritable : interest_ & ~kWritable);
}

void Connection::on_timer(Timer& timer) {
    if (&timer == &idle_timer_) {
        check_idle();
    } else if (state_ == State::kOpen) {
        check_request();
    } else {
        check_delivery();
    }
}

// The timer is not moved for each byte: it finds out what has happened when it fires.
void Connection::check_idle() {
    if (!transport_->is_set_up()) {
        close_now();  // a handshake that takes as long as no request may
        return;
    }
    const int64_t now_ns = loop_.now_ns();
    const int64_t since_ns = busy_ ? now_ns : last_activity_ns_;
    const bool timed_out = now_ns - since_ns >= timeouts_.idle_ns;
    loop_.timers().arm(idle_timer_, (timed_out ? now_ns : since_ns) + timeouts_.idle_ns);
    if (timed_out) {
        protocol_->on_timeout();
    }
}

// A client that we do not read from cannot be blamed for being slow.
void Connection::check_request() {
    const bool slow = reading_ && read_ - progress_at_window_ < min_progress(timeouts_.request_ns);
    progress_at_window_ = read_;
    loop_.timers().arm(progress_timer_, loop_.now_ns() + timeouts_.request_ns);
    if (slow) {
        protocol_->on_timeout();
    }
}

// A closing connection may take its time only as long as the client takes in what it was sent.
void Connection::check_delivery() {
    const int64_t window_ns =
        state_ == State::kFlushing ? limits::kClosingWindowNs : limits::kLingerNs;
    if (delivered() < progress_at_window_ + min_progress(window_ns)) {
        close_now();
    } else {
        watch_delivery(window_ns);
    }
}

void Connection::watch_delivery(int64_t window_ns) {
    progress_at_window_ = delivered();
    loop_.timers().arm(progress_timer_, loop_.now_ns() + window_ns);
}

// What the client has taken of our output: the kernel says how much it still keeps. (Not what was
// written: a full socket takes nothing until the client has emptied a good part of it.)
uint64_t Connection::delivered() const {
    int kept = 0;
    ioctl(transport_->descriptor(), SIOCOUTQ, &kept);
    return written_ - std::min(written_, static_cast<uint64_t>(kept));
}

// Whether bytes are read, for the protocol or for nobody.
bool Connection::wants_input() const {
    switch (state_) {
        case State::kOpen:
            return reading_ && !input_ended_;
        case State::kFlushing:
        case State::kLingering:
            return !input_ended_;
        case State::kNew:
        case State::kClosed:
            return false;
    }
    return false;
}

// Until nothing is there, the protocol pauses, or this connection has had its share of the turn.
void Connection::read() {
    read_on_ = false;
    size_t budget = limits::kMaxReadPerTurn;
    while (wants_input() && budget > 0) {
        std::span<std::byte> into;
        if (state_ == State::kOpen) {
            into = protocol_->read_space();
        }
        if (into.empty()) {
            into = loop_.read_buffer();
        }
        into = into.first(std::min(into.size(), budget));
        const IoResult result = transport_->read(into);
        if (!handle_read(result, into)) {
            return;
        }
        budget -= result.bytes;
    }
    // Stopped early. Epoll reminds us of what is in the socket, but not of what TLS has taken out.
    read_on_ = !transport_->reads_exhaust() && !input_ended_;
    if (read_on_ && wants_input()) {
        request_flush();
    }
}

// Whether to try for more.
bool Connection::handle_read(IoResult result, std::span<std::byte> into) {
    switch (result.outcome) {
        case IoResult::Outcome::kDone:
            read_ += result.bytes;
            last_activity_ns_ = loop_.now_ns();
            if (state_ == State::kOpen) {
                protocol_->on_bytes(into.first(result.bytes));
            }
            return result.bytes == into.size() || !transport_->reads_exhaust();
        case IoResult::Outcome::kWantsRead:
            return false;
        case IoResult::Outcome::kWantsWrite:
            read_waits_to_write_ = true;
            set_interest(interest_ | kWritable);
            return false;
        case IoResult::Outcome::kEndOfStream:
            end_input();
            return false;
        case IoResult::Outcome::kFailed:
            close_now();
            return false;
    }
    return false;
}

void Connection::end_input() {
    input_ended_ = true;
    set_interest(interest_ & ~kReadable);
    if (state_ == State::kLingering) {
        close_now();
    } else if (state_ == State::kOpen) {
        progress_timer_.cancel();
        protocol_->on_end_of_input();
    }
}

// Writes what there is and what the protocol makes, until it makes no more or the socket is full.
void Connection::flush() {
    if (state_ != State::kOpen && state_ != State::kFlushing) {
        return;
    }
    size_t budget = limits::kMaxWrittenPerTurn;
    while (!write_blocked_ && !write_waits_to_read_) {
        bool more = true;
        if (!is_backed_up()) {
            const size_t before = out_.size();
            protocol_->produce();
            if (state_ == State::kClosed) {
                return;
            }
            more = out_.size() != before || output_left_;
        }
        output_left_ = !write_out(budget) || !out_.empty();
        if (budget == 0 && !write_blocked_) {
            request_flush();  // others first
            return;
        }
        if (output_left_) {
            return;
        }
        if (!more) {
            if (state_ == State::kFlushing) {
                say_last_word();
            }
            return;
        }
    }
}

// Whether all of `out` was written, or the budget spent. Else the socket is full, or gone.
bool Connection::write_out(size_t& budget) {
    while (!out_.empty() && budget > 0) {
        std::array<iovec, limits::kMaxIovecs> pieces;
        const size_t count = out_.gather(pieces);
        size_t offered = 0;
        for (size_t index = 0; index < count; ++index) {
            offered += pieces[index].iov_len;
        }
        const IoResult result = transport_->write(std::span(pieces).first(count));
        out_.consume(result.bytes);
        written_ += result.bytes;
        budget -= std::min(budget, result.bytes);
        switch (result.outcome) {
            case IoResult::Outcome::kDone:
                last_activity_ns_ = loop_.now_ns();
                if (result.bytes < offered) {
                    write_blocked_ = true;
                    return false;
                }
                break;
            case IoResult::Outcome::kWantsWrite:
                write_blocked_ = true;
                return false;
            case IoResult::Outcome::kWantsRead:
                write_waits_to_read_ = true;
                set_interest(interest_ | kReadable);
                return false;
            case IoResult::Outcome::kEndOfStream:
            case IoResult::Outcome::kFailed:
                close_now();
                return false;
        }
    }
    return true;
}

void Connection::say_last_word() {
    transport_->shutdown_write();
    if (input_ended_) {
        close_now();
        return;
    }
    state_ = State::kLingering;
    watch_delivery(limits::kLingerNs);
}

void Connection::set_interest(uint32_t interest) {
    if (interest != interest_ && state_ != State::kNew && state_ != State::kClosed) {
        interest_ = interest;
        loop_.rewatch(transport_->descriptor(), interest, *this);
    }
}

}  // namespace tritonpy
