#include "wire/http2_open_stream.h"

#include <utility>

namespace tritonpy {

namespace {

// How many are kept, of up to some 5 KiB each.
constexpr size_t kMaxFreeStreams = 256;

std::vector<std::unique_ptr<Http2OpenStream>>& free_streams() {
    thread_local std::vector<std::unique_ptr<Http2OpenStream>> streams;
    return streams;
}

}  // namespace

std::unique_ptr<Http2OpenStream> take_free_stream() {
    if (free_streams().empty()) {
        return std::make_unique<Http2OpenStream>();
    }
    std::unique_ptr<Http2OpenStream> stream = std::move(free_streams().back());
    free_streams().pop_back();
    return stream;
}

void keep_free_stream(std::unique_ptr<Http2OpenStream> stream) {
    if (free_streams().size() < kMaxFreeStreams) {
        stream->clear();
        free_streams().push_back(std::move(stream));
    }
}

}  // namespace tritonpy
