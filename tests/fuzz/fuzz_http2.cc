// Fuzzes an HTTP/2 session with what a client may send, in pieces of any size. Its streams answer
// in four ways; each is closed exactly once, produce keeps its bound, and nothing is left over.
//
// The first byte says how the rest is read: as the bytes of a connection, or behind a preface that
// is there already, or as records that become frames with true lengths.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/limits.h"
#include "wire/http2_session.h"

using namespace tritonpy;

namespace {

constexpr uint8_t kPreface = 1;        // comes first
constexpr uint8_t kRecords = 2;        // the input is records
constexpr uint8_t kKeepCredit = 4;     // the server returns none
constexpr uint8_t kProduceLate = 8;    // nothing is written until all is read
constexpr uint8_t kShutDown = 16;      // the server says goodbye in the middle
constexpr uint8_t kSmallPieces = 224;  // how small: 0 is all at once

constexpr std::array<Http2Session::Header, 2> kHead = {
    {{":status", "200", true}, {"content-type", "application/grpc"}}};
constexpr std::array<Http2Session::Header, 1> kTrailers = {{{"grpc-status", "0"}}};
constexpr size_t kLarge = limits::kMaxUnwritten + 100;

class Server final : public Http2Events {
  public:
    explicit Server(uint8_t options) : options_(options) {}
    ~Server() override {
        session_.reset();
        for (auto& [id, stream] : streams_) {
            TRITONPY_CHECK(stream->closed);
        }
    }

    Http2Session& session() { return *session_; }

    Http2Stream* on_request(int32_t stream_id, const Http2Headers& headers) override {
        TRITONPY_CHECK(headers.count() <= limits::kMaxRequestHeaders);
        TRITONPY_CHECK(headers.size() <= limits::kMaxRequestHead);
        TRITONPY_CHECK(headers.find(":method").data() != nullptr);
        if (stream_id % 16 == 15) {
            return nullptr;
        }
        auto [at, is_new] = streams_.emplace(stream_id, std::make_unique<Stream>());
        TRITONPY_CHECK(is_new);
        at->second->server = this;
        at->second->id = stream_id;
        if (stream_id % 8 == 7) {
            session_->send_trailers(stream_id, kHead);
            at->second->answered = true;
        }
        return at->second.get();
    }
    void on_ping() override {}
    void on_ping_acknowledged() override {}
    void on_traffic() override {}

    void produce() {
        bool more = true;
        while (more) {
            more = session_->produce(out_);
            TRITONPY_CHECK(out_.size() <= limits::kMaxUnwritten + limits::kMaxDataFrame + 9);
            TRITONPY_CHECK(!more || out_.size() >= limits::kMaxUnwritten);
            out_.consume(out_.size());
        }
        size_t unsent = 0;
        size_t open = 0;
        for (auto& [id, stream] : streams_) {
            unsent += session_->unsent(id);
            open += stream->closed ? 0 : 1;
        }
        TRITONPY_CHECK(unsent == session_->unsent());
        TRITONPY_CHECK(open == session_->open_streams());
    }

  private:
    // What it does depends on its id: 1 echoes when the client is done, 3 as data comes, 5 resets
    // itself, 7 has answered before.
    struct Stream final : Http2Stream {
        void on_data(std::span<const std::byte> bytes) override {
            TRITONPY_CHECK(!closed && !ended && !resetting);
            Http2Session& session = *server->session_;
            if ((server->options_ & kKeepCredit) == 0) {
                session.consume(id, bytes.size(), bytes.size());
            }
            if (id % 8 == 5) {
                session.reset(id, 8);
                resetting = true;
            } else if (id % 8 != 7) {
                echo.append(std::string_view(reinterpret_cast<const char*>(bytes.data()),
                                             bytes.size()));
                if (id % 8 == 3) {
                    begin_answer();
                    session.send_data(id, echo);
                }
            }
        }
        void on_end_of_request() override {
            TRITONPY_CHECK(!closed && !ended && !resetting);
            ended = true;
            if (id % 8 == 7) {
                return;
            }
            begin_answer();
            if (id % 8 == 1) {
                server->session_->send_data(id, echo);
                echo.append(std::string(kLarge, 'x'));
                server->session_->send_data(id, echo);
            }
            server->session_->send_trailers(id, kTrailers);
        }
        void on_drained() override { TRITONPY_CHECK(!closed && !resetting); }
        void on_closed(uint32_t) override {
            TRITONPY_CHECK(!closed);
            closed = true;
        }
        void begin_answer() {
            if (!answered) {
                server->session_->send_headers(id, kHead);
                answered = true;
            }
        }
        Server* server = nullptr;
        int32_t id = 0;
        OutQueue echo;
        bool answered = false;
        bool ended = false;
        bool resetting = false;
        bool closed = false;
    };

    const uint8_t options_;
    std::unique_ptr<Http2Session> session_ = std::make_unique<Http2Session>(*this);
    std::map<int32_t, std::unique_ptr<Stream>> streams_;
    OutQueue out_;
};

// Records of five bytes (type, flags, stream, two of length) and a payload, as frames.
std::string frames_of(std::string_view records) {
    std::string out;
    while (records.size() >= 5) {
        auto byte = [records](size_t index) { return static_cast<uint8_t>(records[index]); };
        size_t size = std::min(records.size() - 5, size_t{byte(3)} << 8 | byte(4));
        out.push_back('\0');
        out.push_back(static_cast<char>(size >> 8));
        out.push_back(static_cast<char>(size));
        out.append(records.substr(0, 2));
        out.append(3, '\0');
        out.append(records.substr(2, 1));
        out.append(records.substr(5, size));
        records.remove_prefix(5 + size);
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) {
        return 0;
    }
    uint8_t options = data[0];
    std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::string bytes;
    if ((options & kPreface) != 0) {
        bytes.append("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        bytes.append("\0\0\0\4\0\0\0\0\0", 9);
    }
    bytes.append((options & kRecords) != 0 ? frames_of(rest) : std::string(rest));
    size_t piece = (options & kSmallPieces) == 0 ? bytes.size() : (options >> 5) * size_t{5};

    Server server(options);
    int64_t now_ns = 0;
    for (size_t at = 0; at < bytes.size(); at += piece) {
        std::string copy = bytes.substr(at, piece);  // of its own size, for the sanitizer
        Status status = server.session().receive(std::as_bytes(std::span(copy)), now_ns);
        now_ns += 1000;
        if ((options & kProduceLate) == 0) {
            server.produce();
        }
        if (!status.ok()) {
            TRITONPY_CHECK(server.session().receive({}, now_ns) == status);
            break;
        }
        if ((options & kShutDown) != 0 && at <= bytes.size() / 2) {
            server.session().announce_shutdown();
            server.session().go_away(0, "goodbye");
        }
    }
    server.produce();
    return 0;
}
