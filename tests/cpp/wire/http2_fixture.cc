#include "wire/http2_fixture.h"

#include <algorithm>
#include <cstring>

namespace tritonpy {

namespace {

std::vector<nghttp2_nv> table_of(const HeaderList& list) {
    std::vector<nghttp2_nv> table;
    for (const auto& [name, value] : list) {
        table.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                         reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                         value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return table;
}

}  // namespace

Http2Client::Http2Client(bool auto_credit, std::vector<nghttp2_settings_entry> entries) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    set_callbacks(callbacks);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, auto_credit ? 0 : 1);
    nghttp2_option_set_max_send_header_block_length(option, size_t{4} << 20);
    nghttp2_option_set_peer_max_concurrent_streams(option, 100000);
    EXPECT_EQ(nghttp2_session_client_new2(&session, callbacks, this, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    EXPECT_EQ(
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries.data(), entries.size()), 0);
}

int32_t Http2Client::open(const HeaderList& head) {
    std::vector<nghttp2_nv> table = table_of(head);
    nghttp2_data_provider provider{};
    provider.read_callback = [](nghttp2_session*, int32_t stream, uint8_t* into, size_t size,
                                uint32_t* flags, nghttp2_data_source*,
                                void* user_data) -> ssize_t {
        Body& body = of(user_data).bodies_[stream];
        size_t count = std::min(size, body.data.size() - body.sent);
        if (count == 0 && !body.ended) {
            return NGHTTP2_ERR_DEFERRED;
        }
        std::memcpy(into, body.data.data() + body.sent, count);
        body.sent += count;
        if (body.ended && body.sent == body.data.size()) {
            *flags = NGHTTP2_DATA_FLAG_EOF;
        }
        return static_cast<ssize_t>(count);
    };
    int32_t stream = nghttp2_submit_request(session, nullptr, table.data(), table.size(),
                                            &provider, nullptr);
    EXPECT_GT(stream, 0);
    streams[stream];
    return stream;
}

void Http2Client::send(int32_t stream, std::string_view data) {
    bodies_[stream].data.append(data);
    nghttp2_session_resume_data(session, stream);
}

void Http2Client::end(int32_t stream) {
    bodies_[stream].ended = true;
    nghttp2_session_resume_data(session, stream);
}

std::string Http2Client::take() {
    std::string all;
    while (true) {
        const uint8_t* bytes = nullptr;
        ssize_t size = nghttp2_session_mem_send(session, &bytes);
        EXPECT_GE(size, 0);
        if (size <= 0) {
            return all;
        }
        all.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    }
}

void Http2Client::give(std::string_view bytes) {
    ssize_t used = nghttp2_session_mem_recv(
        session, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    EXPECT_EQ(used, static_cast<ssize_t>(bytes.size())) << nghttp2_strerror(static_cast<int>(used));
}

void Http2Client::on_frame(const nghttp2_frame& frame) {
    int32_t stream = frame.hd.stream_id;
    switch (frame.hd.type) {
        case NGHTTP2_HEADERS:
        case NGHTTP2_DATA:
            if (frame.hd.type == NGHTTP2_DATA) {
                data_frames.emplace_back(stream, frame.hd.length);
            }
            streams[stream].ended |= (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
            break;
        case NGHTTP2_RST_STREAM:
            resets.emplace_back(stream, frame.rst_stream.error_code);
            break;
        case NGHTTP2_GOAWAY:
            goaways.emplace_back(frame.goaway.last_stream_id, frame.goaway.error_code);
            goaway_text.clear();
            for (uint8_t byte :
                 std::span(frame.goaway.opaque_data, frame.goaway.opaque_data_len)) {
                goaway_text.push_back(static_cast<char>(byte));
            }
            break;
        case NGHTTP2_SETTINGS:
            for (size_t index = 0; index < frame.settings.niv; ++index) {
                settings[frame.settings.iv[index].settings_id] = frame.settings.iv[index].value;
            }
            break;
        case NGHTTP2_PING:
            ++((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0 ? ping_acks : pings);
            break;
        case NGHTTP2_WINDOW_UPDATE:
            ++window_updates;
            break;
        default:
            break;
    }
}

void Http2Client::set_callbacks(nghttp2_session_callbacks* callbacks) {
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
            of(user_data).on_frame(*frame);
            return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* user_data) {
            ClientStream& stream = of(user_data).streams[frame->hd.stream_id];
            HeaderList& list = frame->headers.cat == NGHTTP2_HCAT_HEADERS ? stream.trailers
                                                                          : stream.headers;
            list.emplace_back(std::string(reinterpret_cast<const char*>(name), name_size),
                              std::string(reinterpret_cast<const char*>(value), value_size));
            return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, uint8_t, int32_t stream, const uint8_t* bytes,
                      size_t size, void* user_data) {
            of(user_data).streams[stream].data.append(reinterpret_cast<const char*>(bytes), size);
            return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t id, uint32_t error, void* user_data) {
            ClientStream& stream = of(user_data).streams[id];
            ++stream.closed;
            stream.error = error;
            return 0;
        });
}

}  // namespace tritonpy
