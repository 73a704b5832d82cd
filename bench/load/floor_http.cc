// HTTP/1.1 of the floor: finds Content-Length, lets that many bytes pass, answers.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "floor_connection.h"
#include "http_head.h"

namespace tritonpy::bench {
namespace {

class HttpConnection final : public FloorConnection {
  public:
    explicit HttpConnection(std::string_view answer) : answer_(answer) {}

    bool take(std::string_view bytes) override {
        while (!bytes.empty()) {
            if (body_left_ > 0) {
                skip_body(bytes);
            } else if (!take_head(bytes)) {
                return false;
            }
        }
        return true;
    }

    bool send_some(int descriptor) override {
        while (owed_ > 0) {
            const ssize_t sent =
                send(descriptor, answer_.data() + offset_, answer_.size() - offset_, 0);
            if (sent < 0) {
                return errno == EAGAIN;
            }
            offset_ += static_cast<size_t>(sent);
            if (offset_ == answer_.size()) {
                offset_ = 0;
                --owed_;
            }
        }
        return true;
    }

    bool owes() const override { return owed_ > 0; }

  private:
    // Takes a head off the front of `bytes`, or keeps all of them until the rest of it comes.
    bool take_head(std::string_view& bytes) {
        const size_t kept = front_.size();
        if (kept > 0) {
            front_ += bytes;
        }
        const std::string_view whole = kept > 0 ? std::string_view(front_) : bytes;
        const size_t length = head_length(whole);
        if (length == 0) {
            if (kept == 0) {
                front_ = bytes;
            }
            bytes = {};
            return front_.size() <= kMaxHead;
        }
        const std::optional<size_t> body = content_length(whole.substr(0, length));
        body_left_ = body.value_or(0);
        owed_ += body_left_ == 0 ? 1 : 0;
        front_.clear();
        bytes.remove_prefix(length - kept);
        return body.has_value();
    }

    void skip_body(std::string_view& bytes) {
        const size_t skipped = std::min(body_left_, bytes.size());
        bytes.remove_prefix(skipped);
        body_left_ -= skipped;
        owed_ += body_left_ == 0 ? 1 : 0;
    }

    const std::string_view answer_;
    std::string front_;  // of a head that comes in pieces
    size_t body_left_ = 0;
    size_t owed_ = 0;    // answers, the one that is being sent included
    size_t offset_ = 0;  // in the answer that is being sent
};

}  // namespace

std::unique_ptr<FloorConnection> make_http_connection(std::string_view answer) {
    return std::make_unique<HttpConnection>(answer);
}

}  // namespace tritonpy::bench
