#include "wire/http2_setup.h"

#include <array>
#include <cstdint>

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

using NgHttp2Option = std::unique_ptr<nghttp2_option, NgHttp2Deleter>;

NgHttp2Option make_option() {
    nghttp2_option* raw = nullptr;
    TRITONPY_CHECK(nghttp2_option_new(&raw) == 0);
    NgHttp2Option option(raw);
    nghttp2_option_set_no_auto_window_update(raw, 1);
    nghttp2_option_set_max_outbound_ack(raw, limits::kMaxUnsentAcks);
    nghttp2_option_set_max_settings(raw, limits::kMaxSettingsEntries);
    nghttp2_option_set_max_continuations(raw, limits::kMaxContinuations);
    // Resets are counted by Http2Session, with the caller's clock.
    nghttp2_option_set_stream_reset_rate_limit(raw, UINT32_MAX, UINT32_MAX);
    // What makes a request is Http2Headers' to say, for less.
    nghttp2_option_set_no_http_messaging(raw, 1);
    return option;
}

ConfinedHeap& heap_of(void* data) { return *static_cast<ConfinedHeap*>(data); }

nghttp2_mem memory_of(ConfinedHeap& heap) {
    return {&heap, [](size_t size, void* data) { return heap_of(data).allocate(size); },
            [](void* piece, void* data) { heap_of(data).release(piece); },
            [](size_t count, size_t size, void* data) {
                return heap_of(data).allocate_zeroed(count, size);
            },
            [](void* piece, size_t size, void* data) { return heap_of(data).grow(piece, size); }};
}

}  // namespace

NgHttp2Callbacks make_http2_callbacks() {
    nghttp2_session_callbacks* callbacks = nullptr;
    TRITONPY_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    return NgHttp2Callbacks(callbacks);
}

NgHttp2Session make_http2_server(const nghttp2_session_callbacks& callbacks, void* user_data,
                                 ConfinedHeap& heap) {
    nghttp2_session* raw = nullptr;
    nghttp2_mem memory = memory_of(heap);  // copied
    TRITONPY_CHECK(nghttp2_session_server_new3(&raw, &callbacks, user_data, make_option().get(),
                                               &memory) == 0);
    NgHttp2Session session(raw);
    // Without the priorities of RFC 7540 there is no tree of streams to keep, and streams that are
    // closed are forgotten at once.
    const std::array<nghttp2_settings_entry, 5> settings = {{
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits::kMaxConcurrentStreams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(limits::kStreamWindow)},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, static_cast<uint32_t>(limits::kMaxDataFrame)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits::kMaxRequestHead)},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    }};
    TRITONPY_CHECK(nghttp2_submit_settings(raw, NGHTTP2_FLAG_NONE, settings.data(),
                                           settings.size()) == 0);
    TRITONPY_CHECK(nghttp2_session_set_local_window_size(raw, NGHTTP2_FLAG_NONE, 0,
                                                         limits::kConnectionWindow) == 0);
    return session;
}

}  // namespace tritonpy
