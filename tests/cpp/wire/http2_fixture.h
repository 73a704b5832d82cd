// Both ends of an HTTP/2 connection in memory: our session, with a server that notes what it hears,
// and a client made of nghttp2's own client session.
//
// Threads: confined(io), that is, to the test.
#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "wire/http2_session.h"

namespace tritonpy {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

inline const HeaderList kRequestHead = {
    {":method", "POST"}, {":scheme", "http"},  {":path", "/package.Service/Method"},
    {":authority", "x"}, {"te", "trailers"}, {"content-type", "application/grpc"}};
inline constexpr std::array<Http2Session::Header, 2> kAnswerHead = {
    {{":status", "200"}, {"content-type", "application/grpc", true}}};
inline constexpr std::array<Http2Session::Header, 2> kAnswerTrailers = {
    {{"grpc-status", "0", true}, {"grpc-message", ""}}};

// Takes everything out of a queue.
inline std::string drained(OutQueue& queue) {
    std::string bytes;
    while (!queue.empty()) {
        std::array<iovec, limits::kMaxIovecs> pieces;
        size_t count = queue.gather(pieces);
        size_t size = 0;
        for (const iovec& piece : std::span(pieces).first(count)) {
            bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
            size += piece.iov_len;
        }
        queue.consume(size);
    }
    return bytes;
}

// A frame as bytes.
inline std::string raw_frame(uint8_t type, uint8_t flags, uint32_t stream,
                             std::string_view payload) {
    std::string out;
    for (int shift : {16, 8, 0}) {
        out.push_back(static_cast<char>(payload.size() >> shift));
    }
    out.push_back(static_cast<char>(type));
    out.push_back(static_cast<char>(flags));
    for (int shift : {24, 16, 8, 0}) {
        out.push_back(static_cast<char>(stream >> shift));
    }
    return out.append(payload);
}

// What a client saw of one stream.
struct ClientStream {
    HeaderList headers;
    HeaderList trailers;
    std::string data;
    bool ended = false;  // the server has said its last
    int closed = 0;      // how often
    uint32_t error = 0;
};

// nghttp2's client session. Credit is given only with consume, when `auto_credit` is off.
class Http2Client {
  public:
    explicit Http2Client(bool auto_credit = true,
                         std::vector<nghttp2_settings_entry> entries = {});
    ~Http2Client() { nghttp2_session_del(session); }
    Http2Client(const Http2Client&) = delete;
    Http2Client& operator=(const Http2Client&) = delete;

    // Opens a stream; it stays open for send and end.
    int32_t open(const HeaderList& head = kRequestHead);
    void send(int32_t stream, std::string_view data);
    void end(int32_t stream);
    int32_t call(std::string_view data) {
        int32_t stream = open();
        send(stream, data);
        end(stream);
        return stream;
    }
    void reset(int32_t stream, uint32_t error = NGHTTP2_CANCEL) {
        ASSERT_EQ(nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, error), 0);
    }

    // What it wants to send.
    std::string take();
    void give(std::string_view bytes);

    nghttp2_session* session = nullptr;
    std::map<int32_t, ClientStream> streams;
    std::vector<std::pair<int32_t, size_t>> data_frames;  // stream and size, as they came
    std::vector<std::pair<int32_t, uint32_t>> resets;     // RST_STREAM of the server
    std::vector<std::pair<int32_t, uint32_t>> goaways;    // last stream and error
    std::string goaway_text;
    std::map<int32_t, uint32_t> settings;
    int pings = 0;
    int ping_acks = 0;
    int window_updates = 0;

  private:
    struct Body {
        std::string data;
        size_t sent = 0;
        bool ended = false;
    };
    static Http2Client& of(void* user_data) { return *static_cast<Http2Client*>(user_data); }
    void set_callbacks(nghttp2_session_callbacks* callbacks);
    void on_frame(const nghttp2_frame& frame);

    std::map<int32_t, Body> bodies_;
};

// What a server heard of one stream.
struct ServerStream final : Http2Stream {
    void on_data(std::span<const std::byte> bytes) override {
        EXPECT_EQ(closed, 0);
        EXPECT_FALSE(ended);
        data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (when_data) {
            when_data(bytes.size());
        }
    }
    void on_end_of_request() override {
        EXPECT_EQ(closed, 0);
        EXPECT_FALSE(ended);
        ended = true;
        if (when_ended) {
            when_ended();
        }
    }
    void on_drained() override {
        EXPECT_EQ(closed, 0);
        ++drained;
        if (when_drained) {
            when_drained();
        }
    }
    void on_closed(uint32_t error_code) override {
        ++closed;
        error = error_code;
        if (when_closed) {
            when_closed();
        }
    }

    int32_t id = 0;
    HeaderList headers;
    std::string data;
    bool ended = false;
    int drained = 0;
    int closed = 0;
    uint32_t error = 0;
    std::function<void(size_t)> when_data;
    std::function<void()> when_ended;
    std::function<void()> when_drained;
    std::function<void()> when_closed;
};

// A server that accepts every stream and does what the test says.
class Http2Server : public Http2Events {
  public:
    Http2Stream* on_request(int32_t stream_id, const Http2Headers& headers) override {
        if (refusing) {
            ++refused;
            return nullptr;
        }
        auto [at, is_new] = streams.emplace(stream_id, std::make_unique<ServerStream>());
        EXPECT_TRUE(is_new);
        ServerStream& stream = *at->second;
        stream.id = stream_id;
        for (size_t index = 0; index < headers.count(); ++index) {
            stream.headers.emplace_back(headers.at(index).name, headers.at(index).value);
        }
        if (when_request) {
            when_request(stream);
        }
        return &stream;
    }
    void on_ping() override { ++pings; }
    void on_ping_acknowledged() override { ++ping_acks; }
    void on_traffic() override { ++traffic; }

    ServerStream& stream(int32_t id) { return *streams.at(id); }

    std::map<int32_t, std::unique_ptr<ServerStream>> streams;
    std::function<void(ServerStream&)> when_request;
    bool refusing = false;
    int refused = 0;
    int pings = 0;
    int ping_acks = 0;
    int traffic = 0;
};

// The two of them, and what is on its way between.
class Http2Test : public testing::Test {
  protected:
    explicit Http2Test(bool auto_credit = true, std::vector<nghttp2_settings_entry> settings = {})
        : client(auto_credit, std::move(settings)),
          session(std::make_unique<Http2Session>(server)) {}

    // Everything that the session has to say now, however often it must be asked.
    std::string produced() {
        std::string bytes;
        bool more = true;
        while (more) {
            more = session->produce(out);
            bytes += drained(out);
        }
        return bytes;
    }
    Status receive(std::string_view bytes) {
        return session->receive(std::as_bytes(std::span(bytes)), now_ns);
    }
    // Carries bytes both ways until both are silent.
    void pump() {
        while (true) {
            std::string to_server = client.take();
            if (!to_server.empty()) {
                ASSERT_TRUE(receive(to_server).ok());
            }
            std::string to_client = produced();
            if (!to_client.empty()) {
                client.give(to_client);
            }
            if (to_server.empty() && to_client.empty()) {
                return;
            }
        }
    }
    void send(int32_t stream, std::string_view data) {
        OutQueue queue;
        queue.append(data);
        session->send_data(stream, queue);
        EXPECT_TRUE(queue.empty());
    }
    // A whole answer.
    void answer(int32_t stream, std::string_view data) {
        session->send_headers(stream, kAnswerHead);
        send(stream, data);
        session->send_trailers(stream, kAnswerTrailers);
    }
    // Answers every call with what it said, and returns its credit as it comes.
    void serve_echo() {
        server.when_request = [this](ServerStream& stream) {
            stream.when_data = [this, &stream](size_t size) {
                session->consume(stream.id, size, size);
            };
            stream.when_ended = [this, &stream] { answer(stream.id, stream.data); };
        };
    }

    Http2Client client;
    Http2Server server;
    std::unique_ptr<Http2Session> session;
    OutQueue out;
    int64_t now_ns = 1'000'000'000;
};

}  // namespace tritonpy
