// HTTP/1.1 of the load client: one request at a time, answered with status 200 and Content-Length.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "client_connection.h"
#include "http_head.h"

namespace tritonpy::bench {
namespace {

constexpr std::string_view kGood = "HTTP/1.1 200 ";

class HttpClient final : public ClientConnection {
  public:
    explicit HttpClient(Load& load) : load_(load) {}

    void begin() override {
        in_flight_ = 1;
        unsent_ = load_.request;
        begun_ns_ = now_ns();
    }

    bool take(std::string_view bytes) override {
        if (body_left_ == 0) {
            head_ += bytes;
            const size_t length = head_length(head_);
            if (length == 0) {
                return head_.size() <= kMaxHead;
            }
            const std::string_view head = std::string_view(head_).substr(0, length);
            const std::optional<size_t> body = content_length(head);
            if (in_flight_ == 0 || !head.starts_with(kGood) || body.value_or(0) == 0) {
                return false;
            }
            body_left_ = *body;
            bytes = bytes.substr(bytes.size() - (head_.size() - length));
            head_.clear();
        }
        if (bytes.size() > body_left_) {
            head_ = "more than the answer";
            return false;
        }
        body_left_ -= bytes.size();
        if (body_left_ == 0) {
            finish();
        }
        return true;
    }

    bool send_some(int descriptor) override {
        while (!unsent_.empty()) {
            const ssize_t sent = send(descriptor, unsent_.data(), unsent_.size(), 0);
            if (sent < 0) {
                return errno == EAGAIN;
            }
            unsent_.remove_prefix(static_cast<size_t>(sent));
        }
        return true;
    }

    bool owes() const override { return !unsent_.empty(); }
    size_t in_flight() const override { return in_flight_; }
    size_t answers() const override { return answers_; }
    std::string error() const override { return head_; }

  private:
    void finish() {
        load_.latencies_ns.push_back(static_cast<uint32_t>(now_ns() - begun_ns_));
        ++answers_;
        in_flight_ = 0;
        if (!load_.paused) {
            begin();
        }
    }

    Load& load_;
    std::string_view unsent_;
    std::string head_;  // as far as it has come
    size_t body_left_ = 0;
    int64_t begun_ns_ = 0;
    size_t in_flight_ = 0;
    size_t answers_ = 0;
};

}  // namespace

std::unique_ptr<ClientConnection> make_http_client(Load& load) {
    return std::make_unique<HttpClient>(load);
}

}  // namespace tritonpy::bench
