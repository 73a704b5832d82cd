// Cuts what a socket gave into HTTP/2 frames.
//
// DATA frames are handed on in pieces as they come, so that a large message needs no room here; all
// others are handed on whole.
//
// Threads: compatible.
// Owns: the front of a frame of which more is to come.
// Limits: a frame that is no DATA has at most kMaxFrame bytes.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "h2_frames.h"

namespace tritonpy::bench::h2 {

class Reader {
  public:
    // Handler has on_data(frame, piece, whether it is the last) and on_frame(frame, payload).
    // False when the bytes are no HTTP/2.
    template <typename Handler>
    bool take(std::string_view bytes, Handler& handler) {
        if (!front_.empty()) {
            bytes = complete_front(bytes, handler);
        }
        while (!bad_ && !bytes.empty()) {
            const size_t used = take_one(bytes, handler);
            if (used == 0) {
                front_ = bytes;
                break;
            }
            bytes.remove_prefix(used);
        }
        return !bad_;
    }

  private:
    // Feeds the kept front until its frame is handed on; returns what is left of `bytes`.
    template <typename Handler>
    std::string_view complete_front(std::string_view bytes, Handler& handler) {
        while (!bad_ && !bytes.empty()) {
            const size_t have = front_.size();
            const size_t whole =
                have < kHeadSize ? kHeadSize : kHeadSize + read_head(front_).length;
            const size_t added = std::min(whole - have, bytes.size());
            front_.append(bytes.substr(0, added));
            bytes.remove_prefix(added);
            if (take_one(front_, handler) > 0) {
                front_.clear();
                break;
            }
        }
        return bytes;
    }

    // Hands on what stands at the front of `bytes`; 0 when more is needed first.
    template <typename Handler>
    size_t take_one(std::string_view bytes, Handler& handler) {
        if (data_left_ > 0) {
            return take_data(bytes, handler);
        }
        if (bytes.size() < kHeadSize) {
            return 0;
        }
        frame_ = read_head(bytes);
        if (frame_.type == kData) {
            data_left_ = frame_.length;
            if (data_left_ == 0) {
                handler.on_data(frame_, {}, true);
            }
            return kHeadSize;
        }
        bad_ = frame_.length > kMaxFrame || frame_.length < smallest(frame_.type);
        const size_t whole = kHeadSize + frame_.length;
        if (bad_ || bytes.size() < whole) {
            return 0;
        }
        handler.on_frame(frame_, bytes.substr(kHeadSize, frame_.length));
        return whole;
    }

    static size_t smallest(uint8_t type) {
        switch (type) {
            case kGoaway:
                return 8;
            case kReset:
            case kWindowUpdate:
                return 4;
            default:
                return 0;
        }
    }

    template <typename Handler>
    size_t take_data(std::string_view bytes, Handler& handler) {
        const size_t size = std::min(data_left_, bytes.size());
        data_left_ -= size;
        handler.on_data(frame_, bytes.substr(0, size), data_left_ == 0);
        return size;
    }

    std::string front_;
    Frame frame_{};
    size_t data_left_ = 0;
    bool bad_ = false;
};

}  // namespace tritonpy::bench::h2
