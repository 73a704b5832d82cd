#include "h2_sender.h"

#include <algorithm>
#include <cerrno>

namespace tritonpy::bench::h2 {
namespace {

constexpr size_t kFramesPerLot = 500;  // two pieces each, and two more: below IOV_MAX

uint8_t data_flags(const Message& message, bool last) {
    return last && message.trailers.empty() ? kEndStream : 0;
}

void append_trailers(std::string& out, uint32_t stream, const Message& message) {
    if (!message.trailers.empty()) {
        append_frame(out, kHeaders, kEndHeaders | kEndStream, stream, message.trailers);
    }
}

}  // namespace

void Sender::send_message(uint32_t stream, const Message& message) {
    const auto size = static_cast<int64_t>(message.body.size());
    if (message.body.size() > kMaxFrame || size > std::min(window_, initial_window_) ||
        !borrowed_.empty()) {
        borrowed_.push_back({stream, message, 0, initial_window_});
        return;
    }
    window_ -= size;
    append_frame(out_, kHeaders, kEndHeaders, stream, message.head);
    append_frame(out_, kData, data_flags(message, true), stream, message.body);
    append_trailers(out_, stream, message);
}

void Sender::on_settings(std::string_view payload) {
    const int64_t before = initial_window_;
    initial_window_ = initial_window(payload, initial_window_);
    for (Borrowed& one : borrowed_) {
        one.window += initial_window_ - before;
    }
    append_frame(out_, kSettings, kAck, 0, {});
}

void Sender::on_window_update(uint32_t stream, uint32_t increment) {
    window_ += stream == 0 ? increment : 0;
    for (Borrowed& one : borrowed_) {
        one.window += one.stream == stream ? increment : 0;
    }
}

void Sender::forget(uint32_t stream) {
    std::erase_if(borrowed_, [stream](const Borrowed& one) { return one.stream == stream; });
}

void Sender::received(size_t count) {
    received_ += static_cast<int64_t>(count);
    if (received_ >= kCreditLot) {
        append_window_update(out_, 0, static_cast<uint32_t>(received_));
        received_ = 0;
    }
}

bool Sender::send_some(int descriptor) {
    while (owes()) {
        if (next_piece_ == pieces_.size()) {
            prepare_lot();
        }
        const auto count = static_cast<int>(pieces_.size() - next_piece_);
        const ssize_t sent = writev(descriptor, pieces_.data() + next_piece_, count);
        if (sent < 0) {
            return errno == EAGAIN;
        }
        consume(static_cast<size_t>(sent));
    }
    return true;
}

bool Sender::owes() const {
    return next_piece_ < pieces_.size() || !out_.empty() ||
           (!borrowed_.empty() && next_payload(borrowed_.front()) > 0);
}

size_t Sender::next_payload(const Borrowed& one) const {
    const int64_t window = std::max(std::min(window_, one.window), int64_t{0});
    return std::min({kMaxFrame, one.message.body.size() - one.sent, static_cast<size_t>(window)});
}

// REQUIRES: the last lot has left.
void Sender::prepare_lot() {
    lot_.clear();
    lot_.swap(out_);
    pieces_.clear();
    next_piece_ = 0;
    if (borrowed_.empty() || next_payload(borrowed_.front()) == 0) {
        add_piece(lot_.data(), lot_.size());
        return;
    }
    cut_frames(borrowed_.front());
    if (borrowed_.front().sent == borrowed_.front().message.body.size()) {
        borrowed_.pop_front();
    }
}

// Cuts as many DATA frames off the message as the windows and a lot have room for.
void Sender::cut_frames(Borrowed& one) {
    if (one.sent == 0) {
        append_frame(lot_, kHeaders, kEndHeaders, one.stream, one.message.head);
    }
    const size_t front = lot_.size();
    const size_t size = one.message.body.size();
    // The heads first, since they move while the string grows; then the pieces between them.
    const size_t begin = one.sent;
    for (size_t i = 0; i < kFramesPerLot; ++i) {
        const size_t payload = next_payload(one);
        if (payload == 0) {
            break;
        }
        char head[kHeadSize];
        put_head(head, {static_cast<uint32_t>(payload), kData,
                        data_flags(one.message, one.sent + payload == size), one.stream});
        lot_.append(head, sizeof head);
        one.sent += payload;
        one.window -= static_cast<int64_t>(payload);
        window_ -= static_cast<int64_t>(payload);
    }
    const size_t heads_end = lot_.size();
    if (one.sent == size) {
        append_trailers(lot_, one.stream, one.message);
    }
    add_piece(lot_.data(), front);
    size_t at = begin;
    for (size_t head = front; head < heads_end; head += kHeadSize) {
        const size_t payload = read_head(std::string_view(lot_).substr(head)).length;
        add_piece(lot_.data() + head, kHeadSize);
        add_piece(one.message.body.data() + at, payload);
        at += payload;
    }
    add_piece(lot_.data() + heads_end, lot_.size() - heads_end);
}

void Sender::add_piece(const char* data, size_t size) {
    if (size > 0) {
        pieces_.push_back({const_cast<char*>(data), size});
    }
}

void Sender::consume(size_t sent) {
    while (next_piece_ < pieces_.size() && sent >= pieces_[next_piece_].iov_len) {
        sent -= pieces_[next_piece_++].iov_len;
    }
    if (sent > 0) {
        iovec& piece = pieces_[next_piece_];
        piece.iov_base = static_cast<char*>(piece.iov_base) + sent;
        piece.iov_len -= sent;
    }
}

}  // namespace tritonpy::bench::h2
