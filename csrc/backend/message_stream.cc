#include "backend/message_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tritonpy {

namespace {

// What one read takes: nearly every message whole.
constexpr size_t kReadRoom = size_t{64} << 10;
// Room that stays after a large message.
constexpr size_t kKeptRoom = size_t{1} << 20;

}  // namespace

MessageStream::~MessageStream() {
    if (!is_socket() && writing_ >= 0) {
        ::close(writing_);
    }
    ::close(reading_);
}

void MessageStream::never_block() {
    for (int descriptor : {reading_, writing_}) {
        fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    }
}

ssize_t MessageStream::write_some(std::span<const std::byte> bytes) const {
    return is_socket() ? ::send(writing_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                       : ::write(writing_, bytes.data(), bytes.size());
}

bool MessageStream::send(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        ssize_t sent = write_some(bytes);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes = bytes.subspan(static_cast<size_t>(sent));
    }
    return true;
}

bool MessageStream::send_at_once(std::span<const std::byte> bytes) {
    return write_some(bytes) == static_cast<ssize_t>(bytes.size());
}

bool MessageStream::flush() {
    while (has_unsent()) {
        ssize_t sent = write_some(std::span(queued_).subspan(sent_));
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        sent_ += static_cast<size_t>(sent);
    }
    queued_.clear();
    sent_ = 0;
    if (queued_.capacity() > kKeptRoom) {
        queued_.shrink_to_fit();
    }
    return true;
}

bool MessageStream::receive() {
    if (begin_ > 0) {
        std::memmove(received_.data(), received_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == 0 && received_.size() > kKeptRoom) {
        received_ = Bytes();
    }
    if (received_.size() - end_ < kReadRoom) {
        // Doubled, so that a message is not moved for each piece of it.
        received_.resize(std::max(end_ + kReadRoom, received_.size() * 2));
    }
    const std::span<std::byte> room = std::span(received_).subspan(end_);
    const ssize_t count = read(reading_, room.data(), room.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) {
        return true;
    }
    if (count <= 0) {
        return false;
    }
    end_ += static_cast<size_t>(count);
    return true;
}

std::optional<MessageStream::Message> MessageStream::next() {
    std::span<const std::byte> all(received_.data() + begin_, end_ - begin_);
    if (broken_ || all.size() < kWorkerHeaderSize) {
        return std::nullopt;
    }
    Result<WorkerMessageHeader> header = decode_worker_header(all.first(kWorkerHeaderSize));
    if (!header.ok()) {
        broken_ = true;
        return std::nullopt;
    }
    size_t size = header.value().body_size;
    if (all.size() - kWorkerHeaderSize < size) {
        return std::nullopt;
    }
    begin_ += kWorkerHeaderSize + size;
    return Message{header.value().kind, all.subspan(kWorkerHeaderSize, size)};
}

void MessageStream::shut_down() {
    if (is_socket()) {
        ::shutdown(reading_, SHUT_RDWR);
    }
}

void MessageStream::finish() {
    if (is_socket()) {
        shut_down();
    } else {
        ::close(std::exchange(writing_, -1));
    }
}

}  // namespace tritonpy
