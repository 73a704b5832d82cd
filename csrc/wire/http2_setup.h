// How our nghttp2 server sessions are made: their options, and the SETTINGS that they open with.
//
// For http2_session.cc alone.
//
// Threads: compatible; pure functions.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>

#include "memory/confined_heap.h"

namespace tritonpy {

struct NgHttp2Deleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
    void operator()(nghttp2_session_callbacks* callbacks) const {
        nghttp2_session_callbacks_del(callbacks);
    }
    void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
using NgHttp2Session = std::unique_ptr<nghttp2_session, NgHttp2Deleter>;
using NgHttp2Callbacks = std::unique_ptr<nghttp2_session_callbacks, NgHttp2Deleter>;

// An empty table of callbacks.
NgHttp2Callbacks make_http2_callbacks();

// A session of a server, its first SETTINGS and WINDOW_UPDATE waiting to be sent. `user_data` goes
// to every callback; all of its memory comes from `heap`, which outlives it.
NgHttp2Session make_http2_server(const nghttp2_session_callbacks& callbacks, void* user_data,
                                 ConfinedHeap& heap);

}  // namespace tritonpy
