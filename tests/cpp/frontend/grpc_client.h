// A gRPC client for tests: nghttp2's client session on one end of a socket pair, calls as what came
// back on their streams.
//
// Threads: compatible; the test's. It sends and receives inside its own functions only.
// Owns: the socket, the session.
#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "frontend/grpc_test_call.h"

namespace tritonpy {

class GrpcTestClient {
  public:
    // `window` is that of each stream, for what the server sends; credit is given back as bytes
    // come.
    explicit GrpcTestClient(int descriptor, uint32_t window = 1 << 20) : descriptor_(descriptor) {
        nghttp2_session_callbacks* callbacks = nullptr;
        TRITONPY_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_option* option = nullptr;
        TRITONPY_CHECK(nghttp2_option_new(&option) == 0);
        nghttp2_option_set_peer_max_concurrent_streams(option, 1 << 20);
        TRITONPY_CHECK(nghttp2_session_client_new2(&session_, callbacks, this, option) == 0);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(callbacks);
        const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
        TRITONPY_CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &entry, 1) == 0);
    }
    ~GrpcTestClient() {
        leave();
        nghttp2_session_del(session_);
    }
    GrpcTestClient(const GrpcTestClient&) = delete;
    GrpcTestClient& operator=(const GrpcTestClient&) = delete;

    // Opens a call, given its method's name or its whole path; nothing is sent before flush, wait.
    int32_t start(std::string_view method, const GrpcFields& more = {}) {
        std::string path(method);
        if (!method.starts_with('/')) {
            path = "/inference.GRPCInferenceService/" + path;
        }
        GrpcFields fields{{":method", "POST"}, {":scheme", "http"}, {":path", path},
                          {":authority", "x"}, {"te", "trailers"},
                          {"content-type", "application/grpc"}};
        for (const auto& field : more) {  // one that is there already is replaced
            auto same = std::find_if(fields.begin(), fields.end(),
                                     [&](const auto& one) { return one.first == field.first; });
            if (same == fields.end()) {
                fields.push_back(field);
            } else {
                same->second = field.second;
            }
        }
        return open(fields);
    }
    // Adds bytes to a call's body.
    void send(int32_t id, std::string_view bytes) {
        bodies_[id].bytes.append(bytes);
        nghttp2_session_resume_data(session_, id);
    }
    void finish(int32_t id) {
        bodies_[id].ended = true;
        nghttp2_session_resume_data(session_, id);
    }
    // A whole call.
    int32_t unary(std::string_view method, std::string_view message, const GrpcFields& more = {}) {
        int32_t id = start(method, more);
        send(id, framed(message));
        finish(id);
        return id;
    }
    void reset(int32_t id, uint32_t code = NGHTTP2_CANCEL) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
    }
    void ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }
    // More room for what the server sends: of the connection (0) or a stream.
    void give_credit(int32_t id, int32_t bytes) {
        nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, id, bytes);
    }

    // Sends what may be sent. Blocks while the socket is full.
    void flush() { send_bytes(take()); }
    // What would be sent.
    std::string take() {
        std::string all;
        const uint8_t* bytes = nullptr;
        for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;) {
            all.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
        }
        return all;
    }
    void send_bytes(std::string_view bytes) {
        while (!bytes.empty() && !ended_) {
            ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return;  // the server has gone; receive will see it
            }
            bytes.remove_prefix(static_cast<size_t>(sent));
        }
    }
    // Takes what has come, without waiting; whether there was anything.
    bool receive_some() { return receive(MSG_DONTWAIT); }

    // Sends, and receives until `done()` holds or the server ends the connection; whether it holds.
    template <typename Predicate>
    bool wait(Predicate done) {
        flush();
        while (!done()) {
            if (!receive(0)) {
                return done();
            }
            flush();
        }
        return true;
    }
    // Waits until the call is closed.
    GrpcTestCall& wait_for(int32_t id) {
        wait([&] { return call(id).closed; });
        return call(id);
    }
    GrpcTestCall& result_of(std::string_view method, std::string_view message,
                            const GrpcFields& more = {}) {
        return wait_for(unary(method, message, more));
    }
    void wait_for_end() {
        wait([] { return false; });
    }

    GrpcTestCall& call(int32_t id) { return calls_[id]; }
    bool ended() const { return ended_; }
    // Frames that came: the error of each GOAWAY, and the text of the last.
    const std::vector<uint32_t>& goaways() const { return goaways_; }
    const std::string& goaway_text() const { return goaway_text_; }
    size_t pings() const { return pings_; }
    size_t ping_answers() const { return ping_answers_; }

    // Closes the socket.
    void leave() {
        if (descriptor_ >= 0) {
            ::close(std::exchange(descriptor_, -1));
            ended_ = true;
        }
    }

  private:
    struct Body {
        std::string bytes;
        size_t sent = 0;
        bool ended = false;
    };

    int32_t open(const GrpcFields& fields) {
        std::vector<nghttp2_nv> table;
        for (const auto& [name, value] : fields) {
            table.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                             reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
                             name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
        }
        nghttp2_data_provider provider{};
        provider.read_callback = read_body;
        int32_t id = nghttp2_submit_request(session_, nullptr, table.data(), table.size(),
                                            &provider, nullptr);
        TRITONPY_CHECK(id > 0);
        calls_[id];
        return id;
    }

    bool receive(int flags) {
        std::array<uint8_t, 65536> buffer;
        ssize_t count = ended_ ? 0 : ::recv(descriptor_, buffer.data(), buffer.size(), flags);
        if (count <= 0) {
            ended_ |= (flags & MSG_DONTWAIT) == 0 || count == 0;
            return false;
        }
        ssize_t used =
            nghttp2_session_mem_recv(session_, buffer.data(), static_cast<size_t>(count));
        EXPECT_EQ(used, count) << nghttp2_strerror(static_cast<int>(used));
        return true;
    }

    static GrpcTestClient& of(void* user_data) { return *static_cast<GrpcTestClient*>(user_data); }

    static ssize_t read_body(nghttp2_session*, int32_t id, uint8_t* into, size_t size,
                             uint32_t* flags, nghttp2_data_source*, void* user_data) {
        Body& body = of(user_data).bodies_[id];
        size_t count = std::min(size, body.bytes.size() - body.sent);
        if (count == 0 && !body.ended) {
            return NGHTTP2_ERR_DEFERRED;
        }
        std::memcpy(into, body.bytes.data() + body.sent, count);
        body.sent += count;
        if (body.sent == body.bytes.size()) {
            body.bytes.clear();
            body.sent = 0;
            *flags |= body.ended ? NGHTTP2_DATA_FLAG_EOF : 0;
        }
        return static_cast<ssize_t>(count);
    }

    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        GrpcTestClient& self = of(user_data);
        if (frame->hd.type == NGHTTP2_GOAWAY) {
            self.goaways_.push_back(frame->goaway.error_code);
            self.goaway_text_.assign(reinterpret_cast<const char*>(frame->goaway.opaque_data),
                                     frame->goaway.opaque_data_len);
        } else if (frame->hd.type == NGHTTP2_PING) {
            ++((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 ? self.ping_answers_ : self.pings_);
        }
        return 0;
    }
    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                         size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                         void* user_data) {
        GrpcTestCall& call = of(user_data).calls_[frame->hd.stream_id];
        auto& fields = frame->headers.cat == NGHTTP2_HCAT_HEADERS ? call.trailers : call.head;
        fields[std::string(reinterpret_cast<const char*>(name), name_size)].assign(
            reinterpret_cast<const char*>(value), value_size);
        return 0;
    }
    static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size,
                       void* user_data) {
        of(user_data).calls_[id].data.append(reinterpret_cast<const char*>(bytes), size);
        return 0;
    }
    static int on_close(nghttp2_session*, int32_t id, uint32_t error, void* user_data) {
        GrpcTestCall& call = of(user_data).calls_[id];
        EXPECT_FALSE(call.closed);
        call.closed = true;
        call.reset = error;
        return 0;
    }

    int descriptor_;
    nghttp2_session* session_ = nullptr;
    std::map<int32_t, GrpcTestCall> calls_;
    std::map<int32_t, Body> bodies_;
    std::vector<uint32_t> goaways_;
    std::string goaway_text_;
    size_t pings_ = 0;
    size_t ping_answers_ = 0;
    bool ended_ = false;
};

}  // namespace tritonpy
