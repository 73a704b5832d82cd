#include "wire/http2_session.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "wire/http2_open_stream.h"
#include "wire/http2_setup.h"
#include "wire/token_bucket.h"

namespace tritonpy {

using OpenStream = Http2OpenStream;

namespace {

// What HTTP/2 adds to each field in SETTINGS_MAX_HEADER_LIST_SIZE.
constexpr size_t kFieldOverhead = 32;
// Every peer takes frames of this size.
constexpr size_t kSmallestMaxFrame = size_t{16} << 10;
// Cuts the text of a GOAWAY: words for a log, not data.
constexpr size_t kMaxDebugText = 256;

const uint8_t* bytes_of(std::string_view text) {
    return reinterpret_cast<const uint8_t*>(text.data());
}
// nghttp2's table of names and values is not const; it does not change them.
uint8_t* mutable_bytes_of(std::string_view text) { return const_cast<uint8_t*>(bytes_of(text)); }

std::string_view text_of(const uint8_t* bytes, size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

// nghttp2's form of a field. It copies what is not static when it is submitted.
nghttp2_nv field_of(const Http2Session::Header& header) {
    constexpr uint8_t kNoCopy = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    return {mutable_bytes_of(header.name), mutable_bytes_of(header.value), header.name.size(),
            header.value.size(), header.is_static ? kNoCopy : uint8_t{NGHTTP2_NV_FLAG_NONE}};
}

}  // namespace

// The state behind nghttp2's callbacks, which are its static members.
struct Http2Session::Implementation {
    explicit Implementation(Http2Events& events);

    bool is_request();
    bool read_body_size();
    void end_request(OpenStream& stream);
    OpenStream* find(int32_t stream_id);
    void open(int32_t stream_id);
    void forget(OpenStream& stream);
    void close_all();
    void drop_unsent(OpenStream& stream);

    void submit_headers(OpenStream& stream, std::span<const Header> headers, bool last);
    void keep_trailers(OpenStream& stream, std::span<const Header> trailers);
    void submit_trailers(OpenStream& stream);
    void reset(int32_t stream_id, uint32_t error_code);
    void drop(OpenStream& stream, uint32_t error_code);
    void fail(int error);
    void fail_flood(std::string text);

    static Implementation& of(void* user_data) { return *static_cast<Implementation*>(user_data); }
    static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data);
    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                         size_t name_size, const uint8_t* value, size_t value_size, uint8_t flags,
                         void* user_data);
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data);
    static int on_data_chunk(nghttp2_session*, uint8_t flags, int32_t stream_id,
                             const uint8_t* bytes, size_t size, void* user_data);
    static int on_stream_close(nghttp2_session*, int32_t stream_id, uint32_t error_code,
                               void* user_data);
    static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data);
    static int on_frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int error,
                                 void* user_data);
    static ssize_t frame_limit(nghttp2_session*, uint8_t type, int32_t stream_id,
                               int32_t connection_window, int32_t stream_window,
                               uint32_t max_frame_size, void* user_data);
    static ssize_t choose_data(nghttp2_session*, int32_t stream_id, uint8_t* into, size_t size,
                               uint32_t* flags, nghttp2_data_source* source, void* user_data);
    static int send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t size,
                         nghttp2_data_source* source, void* user_data);

    Http2Events& events;
    ConfinedHeap heap;  // outlives the session, whose memory it is
    NgHttp2Session session;
    std::vector<std::unique_ptr<OpenStream>> streams;
    OpenStream* last_found = nullptr;     // an open stream, or null
    size_t unsent = 0;                    // over all streams
    Http2Headers request;                 // the header list being received; blocks do not mix
    Http2Headers last_request;            // the last that was found to be one
    std::optional<uint64_t> body_size;    // as that one says
    size_t request_size = 0;              // as SETTINGS_MAX_HEADER_LIST_SIZE counts it
    std::vector<nghttp2_nv> field_table;  // of one submit
    OutQueue* out = nullptr;              // produce's
    bool sent_enough = false;             // produce stopped at its bound
    bool dead = false;                    // nghttp2 can neither read nor write any more
    Status failure;                       // what every receive answers
    TokenBucket resets{limits::kStreamResetBurst, limits::kStreamResetsPerSecond};
    int64_t now_ns = 0;
};

Http2Session::Implementation::Implementation(Http2Events& all_events) : events(all_events) {
    NgHttp2Callbacks owned = make_http2_callbacks();
    nghttp2_session_callbacks* table = owned.get();
    nghttp2_session_callbacks_set_on_begin_headers_callback(table, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(table, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(table, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(table, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(table, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(table, on_frame_not_sent);
    nghttp2_session_callbacks_set_data_source_read_length_callback(table, frame_limit);
    nghttp2_session_callbacks_set_send_data_callback(table, send_data);
    session = make_http2_server(*table, this, heap);
}

// --- streams ------------------------------------------------------------------------------------

OpenStream* Http2Session::Implementation::find(int32_t stream_id) {
    // Calls come in runs for one stream: its head, its data, its answer.
    if (last_found == nullptr || last_found->id != stream_id) {
        last_found = static_cast<OpenStream*>(
            nghttp2_session_get_stream_user_data(session.get(), stream_id));
    }
    return last_found;
}

// Clients say the same with every call, which need not be looked at twice.
bool Http2Session::Implementation::is_request() {
    if (request == last_request) {
        return true;
    }
    if (!request.is_request() || !read_body_size()) {
        return false;
    }
    last_request = request;
    return true;
}

// False when there is a content-length that is no number.
bool Http2Session::Implementation::read_body_size() {
    body_size.reset();
    std::string_view text = request.find("content-length");
    if (text.empty()) {
        return true;
    }
    uint64_t size = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    body_size = size;
    return error == std::errc() && end == text.data() + text.size();
}

void Http2Session::Implementation::open(int32_t stream_id) {
    if (!is_request()) {
        reset(stream_id, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    std::unique_ptr<OpenStream> owned = take_free_stream();
    OpenStream& stream = *owned;
    stream.id = stream_id;
    stream.missing = body_size;
    stream.index = streams.size();
    streams.push_back(std::move(owned));
    nghttp2_session_set_stream_user_data(session.get(), stream_id, &stream);
    // Incremental: streams of the same urgency are sent in turns, not one after another.
    const nghttp2_extpri turns = {NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
    nghttp2_session_change_extpri_stream_priority(session.get(), stream_id, &turns, 1);

    Http2Stream* receiver = events.on_request(stream_id, request);
    request.clear();
    if (receiver == nullptr) {
        forget(stream);
        reset(stream_id, NGHTTP2_REFUSED_STREAM);
    } else {
        stream.receiver = receiver;
    }
}

// Takes a stream out of the list of open ones; its memory is used again.
void Http2Session::Implementation::forget(OpenStream& stream) {
    nghttp2_session_set_stream_user_data(session.get(), stream.id, nullptr);
    last_found = nullptr;
    drop_unsent(stream);
    std::unique_ptr<OpenStream> owned = std::move(streams[stream.index]);
    if (stream.index + 1 < streams.size()) {
        streams[stream.index] = std::move(streams.back());
        streams[stream.index]->index = stream.index;
    }
    streams.pop_back();
    keep_free_stream(std::move(owned));
}

void Http2Session::Implementation::close_all() {
    while (!streams.empty()) {
        Http2Stream* receiver = streams.back()->receiver;
        forget(*streams.back());
        receiver->on_closed(NGHTTP2_CANCEL);
    }
}

void Http2Session::Implementation::drop_unsent(OpenStream& stream) {
    unsent -= stream.out.size();
    stream.out.clear();
}

// --- failing ------------------------------------------------------------------------------------

void Http2Session::Implementation::reset(int32_t stream_id, uint32_t error_code) {
    TRITONPY_CHECK(nghttp2_submit_rst_stream(session.get(), NGHTTP2_FLAG_NONE, stream_id,
                                             error_code) == 0);
}

// Nothing more is read or said on an open stream.
void Http2Session::Implementation::drop(OpenStream& stream, uint32_t error_code) {
    stream.resetting = true;
    drop_unsent(stream);
    reset(stream.id, error_code);
}

// nghttp2 cannot go on reading.
void Http2Session::Implementation::fail(int error) {
    uint32_t code = NGHTTP2_ENHANCE_YOUR_CALM;
    if (error == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
        code = NGHTTP2_PROTOCOL_ERROR;
    }
    nghttp2_session_terminate_session(session.get(), code);
    failure = invalid_arg(std::string("HTTP/2: ") + nghttp2_strerror(error));
}

// The client does too much of something; nghttp2 ignores what it still says.
void Http2Session::Implementation::fail_flood(std::string text) {
    nghttp2_session_terminate_session(session.get(), NGHTTP2_ENHANCE_YOUR_CALM);
    failure = invalid_arg(std::move(text));
}

// --- answering ----------------------------------------------------------------------------------

void Http2Session::Implementation::submit_headers(OpenStream& stream,
                                                  std::span<const Header> headers, bool last) {
    stream.answered = true;
    field_table.clear();
    for (const Header& header : headers) {
        field_table.push_back(field_of(header));
    }
    nghttp2_data_provider data{};
    data.source.ptr = &stream;
    data.read_callback = choose_data;
    TRITONPY_CHECK(nghttp2_submit_response(session.get(), stream.id, field_table.data(),
                                           field_table.size(), last ? nullptr : &data) == 0);
}

void Http2Session::Implementation::keep_trailers(OpenStream& stream,
                                                 std::span<const Header> trailers) {
    size_t size = 0;
    for (const Header& field : trailers) {
        size += field.is_static ? 0 : field.name.size() + field.value.size();
    }
    stream.trailer_text.reserve(size);  // so that it stays where it is
    auto keep = [&stream](std::string_view text) {
        size_t at = stream.trailer_text.size();
        return std::string_view(stream.trailer_text.append(text)).substr(at);
    };
    for (Header field : trailers) {
        if (!field.is_static) {
            field.name = keep(field.name);
            field.value = keep(field.value);
        }
        stream.trailers.push_back(field_of(field));
    }
}

void Http2Session::Implementation::submit_trailers(OpenStream& stream) {
    TRITONPY_CHECK(nghttp2_submit_trailer(session.get(), stream.id, stream.trailers.data(),
                                          stream.trailers.size()) == 0);
}

// --- callbacks of receive -----------------------------------------------------------------------

int Http2Session::Implementation::on_begin_headers(nghttp2_session*, const nghttp2_frame*,
                                                   void* user_data) {
    Implementation& self = of(user_data);
    self.request.clear();
    self.request_size = 0;
    return 0;
}

int Http2Session::Implementation::on_header(nghttp2_session*, const nghttp2_frame* frame,
                                            const uint8_t* name, size_t name_size,
                                            const uint8_t* value, size_t value_size, uint8_t,
                                            void* user_data) {
    Implementation& self = of(user_data);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;  // gRPC's clients send no trailers; others' say nothing to us
    }
    self.request_size += name_size + value_size + kFieldOverhead;
    if (self.request_size > limits::kMaxRequestHead ||
        self.request.count() == limits::kMaxRequestHeaders) {
        self.request.clear();
        self.reset(frame->hd.stream_id, NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    self.request.add(text_of(name, name_size), text_of(value, value_size));
    return 0;
}

int Http2Session::Implementation::on_frame(nghttp2_session*, const nghttp2_frame* frame,
                                           void* user_data) {
    Implementation& self = of(user_data);
    switch (frame->hd.type) {
        case NGHTTP2_HEADERS:
        case NGHTTP2_DATA: {
            self.events.on_traffic();
            if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
                self.open(frame->hd.stream_id);
            }
            OpenStream* stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0
                                     ? self.find(frame->hd.stream_id)
                                     : nullptr;
            if (stream != nullptr && !stream->resetting) {
                self.end_request(*stream);
            }
            return 0;
        }
        case NGHTTP2_PING:
            if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
                self.events.on_ping_acknowledged();
            } else {
                self.events.on_ping();
            }
            return 0;
        case NGHTTP2_RST_STREAM:
            if (!self.resets.take(self.now_ns)) {
                self.fail_flood("HTTP/2: the client resets too many streams");
            }
            return 0;
        default:
            return 0;
    }
}

int Http2Session::Implementation::on_data_chunk(nghttp2_session*, uint8_t, int32_t stream_id,
                                                const uint8_t* bytes, size_t size,
                                                void* user_data) {
    Implementation& self = of(user_data);
    OpenStream* stream = self.find(stream_id);
    if (stream == nullptr || stream->resetting) {
        nghttp2_session_consume_connection(self.session.get(), size);
        return 0;
    }
    if (!stream->counts(size)) {
        nghttp2_session_consume_connection(self.session.get(), size);
        self.drop(*stream, NGHTTP2_PROTOCOL_ERROR);
        return 0;
    }
    stream->receiver->on_data(std::as_bytes(std::span(bytes, size)));
    return 0;
}

void Http2Session::Implementation::end_request(OpenStream& stream) {
    if (stream.missing.value_or(0) != 0) {
        drop(stream, NGHTTP2_PROTOCOL_ERROR);
    } else {
        stream.receiver->on_end_of_request();
    }
}

// --- callbacks of both --------------------------------------------------------------------------

int Http2Session::Implementation::on_stream_close(nghttp2_session*, int32_t stream_id,
                                                  uint32_t error_code, void* user_data) {
    Implementation& self = of(user_data);
    OpenStream* stream = self.find(stream_id);
    if (stream != nullptr) {
        Http2Stream* receiver = stream->receiver;
        self.forget(*stream);
        receiver->on_closed(error_code);
    }
    return 0;
}

// --- callbacks of produce -----------------------------------------------------------------------

int Http2Session::Implementation::on_frame_sent(nghttp2_session*, const nghttp2_frame* frame,
                                                void* user_data) {
    Implementation& self = of(user_data);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    self.events.on_traffic();
    bool ends = frame->hd.type == NGHTTP2_HEADERS &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends &&
        nghttp2_session_get_stream_remote_close(self.session.get(), frame->hd.stream_id) == 0) {
        self.reset(frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

int Http2Session::Implementation::on_frame_not_sent(nghttp2_session*, const nghttp2_frame* frame,
                                                    int, void* user_data) {
    // Headers too large to send, or of a stream that ends anyway (then nothing happens here).
    if (frame->hd.type == NGHTTP2_HEADERS) {
        of(user_data).reset(frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    }
    return 0;
}

// How much of a stream may go into one frame; nghttp2 cuts it to the windows, and makes a buffer of
// that size, so it is not more than there is to send.
ssize_t Http2Session::Implementation::frame_limit(nghttp2_session*, uint8_t, int32_t stream_id,
                                                  int32_t, int32_t, uint32_t max_frame_size,
                                                  void* user_data) {
    OpenStream* stream = of(user_data).find(stream_id);
    size_t unsent = stream == nullptr ? 0 : stream->out.size();
    size_t largest = std::min(size_t{max_frame_size}, limits::kMaxDataFrame);
    return static_cast<ssize_t>(std::clamp(unsent, kSmallestMaxFrame, largest));
}

ssize_t Http2Session::Implementation::choose_data(nghttp2_session*, int32_t, uint8_t*, size_t size,
                                                  uint32_t* flags, nghttp2_data_source* source,
                                                  void* user_data) {
    OpenStream& stream = *static_cast<OpenStream*>(source->ptr);
    size_t chosen = std::min(size, stream.out.size());
    if (chosen == 0) {
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags = NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream.ending && chosen == stream.out.size()) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        of(user_data).submit_trailers(stream);
    }
    return static_cast<ssize_t>(chosen);
}

int Http2Session::Implementation::send_data(nghttp2_session*, nghttp2_frame* frame,
                                            const uint8_t* head, size_t size,
                                            nghttp2_data_source* source, void* user_data) {
    Implementation& self = of(user_data);
    OpenStream& stream = *static_cast<OpenStream*>(source->ptr);
    constexpr size_t kFrameHead = 9;
    TRITONPY_CHECK(frame->data.padlen == 0 && size <= stream.out.size());
    self.out->append(text_of(head, kFrameHead));
    stream.out.move_to(*self.out, size);
    self.unsent -= size;
    if (stream.backed_up && stream.out.size() < limits::kMaxUnwritten) {
        stream.backed_up = false;
        stream.receiver->on_drained();
    }
    self.sent_enough = self.out->size() >= limits::kMaxUnwritten;
    return self.sent_enough ? NGHTTP2_ERR_PAUSE : 0;
}

// --- the session --------------------------------------------------------------------------------

Http2Session::Http2Session(Http2Events& events)
    : implementation_(std::make_unique<Implementation>(events)) {}

Http2Session::~Http2Session() { implementation_->close_all(); }

Status Http2Session::receive(std::span<const std::byte> bytes, int64_t now_ns) {
    Implementation& self = *implementation_;
    if (!self.failure.ok()) {
        return self.failure;
    }
    self.now_ns = now_ns;
    ssize_t used =
        nghttp2_session_mem_recv(self.session.get(),
                                 reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    if (used < 0) {
        self.fail(static_cast<int>(used));
    }
    return self.failure;
}

bool Http2Session::produce(OutQueue& out) {
    Implementation& self = *implementation_;
    self.out = &out;
    while (!self.dead && out.size() < limits::kMaxUnwritten) {
        const uint8_t* bytes = nullptr;
        self.sent_enough = false;
        ssize_t size = nghttp2_session_mem_send(self.session.get(), &bytes);
        if (size > 0) {
            out.append(text_of(bytes, static_cast<size_t>(size)));
        } else if (size < 0) {
            self.dead = true;
            self.failure = internal_error(std::string("HTTP/2: ") +
                                          nghttp2_strerror(static_cast<int>(size)));
        } else if (!self.sent_enough) {
            return false;
        }
    }
    return !self.dead && nghttp2_session_want_write(self.session.get()) != 0;
}

void Http2Session::send_headers(int32_t stream_id, std::span<const Header> headers) {
    OpenStream* stream = implementation_->find(stream_id);
    if (stream != nullptr && !stream->resetting) {
        TRITONPY_CHECK(!stream->answered);
        implementation_->submit_headers(*stream, headers, false);
    }
}

void Http2Session::send_data(int32_t stream_id, OutQueue& data) {
    OpenStream* stream = implementation_->find(stream_id);
    if (stream == nullptr || stream->resetting) {
        data.clear();
        return;
    }
    TRITONPY_CHECK(stream->answered && !stream->ending);
    implementation_->unsent += data.size();
    data.move_to(stream->out, data.size());
    stream->backed_up = stream->backed_up || stream->out.size() >= limits::kMaxUnwritten;
    // Not an error when there was nothing to resume.
    nghttp2_session_resume_data(implementation_->session.get(), stream_id);
}

void Http2Session::send_trailers(int32_t stream_id, std::span<const Header> trailers) {
    OpenStream* stream = implementation_->find(stream_id);
    if (stream == nullptr || stream->resetting) {
        return;
    }
    TRITONPY_CHECK(!stream->ending);
    stream->ending = true;
    if (!stream->answered) {
        implementation_->submit_headers(*stream, trailers, true);
        return;
    }
    implementation_->keep_trailers(*stream, trailers);
    if (stream->out.empty()) {
        implementation_->submit_trailers(*stream);  // they need no window, so nothing holds them
    }
}

void Http2Session::reset(int32_t stream_id, uint32_t error_code) {
    OpenStream* stream = implementation_->find(stream_id);
    if (stream != nullptr && !stream->resetting) {
        implementation_->drop(*stream, error_code);
    }
}

size_t Http2Session::unsent(int32_t stream_id) const {
    const OpenStream* stream = implementation_->find(stream_id);
    return stream == nullptr ? 0 : stream->out.size();
}

size_t Http2Session::unsent() const { return implementation_->unsent; }

void Http2Session::consume(int32_t stream_id, size_t stream, size_t connection) {
    nghttp2_session* session = implementation_->session.get();
    if (stream != 0) {
        nghttp2_session_consume_stream(session, stream_id, stream);
    }
    if (connection != 0) {
        nghttp2_session_consume_connection(session, connection);
    }
}

void Http2Session::ping() {
    nghttp2_submit_ping(implementation_->session.get(), NGHTTP2_FLAG_NONE, nullptr);
}

void Http2Session::announce_shutdown() {
    nghttp2_submit_shutdown_notice(implementation_->session.get());
}

void Http2Session::go_away(uint32_t error_code, std::string_view debug_text) {
    nghttp2_session* session = implementation_->session.get();
    std::string_view text = debug_text.substr(0, kMaxDebugText);
    nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session), error_code,
                          bytes_of(text), text.size());
}

size_t Http2Session::open_streams() const { return implementation_->streams.size(); }

bool Http2Session::finished() const {
    nghttp2_session* session = implementation_->session.get();
    return implementation_->dead || (nghttp2_session_want_read(session) == 0 &&
                                     nghttp2_session_want_write(session) == 0);
}

}  // namespace tritonpy
