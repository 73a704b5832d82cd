// gRPC of the floor: the same answer for each stream that ends.
#include <algorithm>

#include "floor_connection.h"
#include "h2_frames.h"
#include "h2_reader.h"
#include "h2_sender.h"

namespace tritonpy::bench {
namespace {

constexpr char kStatus200 = static_cast<char>(0x88);  // in the table that every peer has

std::string answer_head() {
    std::string block(1, kStatus200);
    h2::append_field(block, "content-type", "application/grpc");
    return block;
}

std::string answer_trailers() {
    std::string block;
    h2::append_field(block, "grpc-status", "0");
    return block;
}

class GrpcConnection final : public FloorConnection {
  public:
    explicit GrpcConnection(std::string_view message)
        : head_(answer_head()), trailers_(answer_trailers()), answer_{head_, message, trailers_} {
        h2::append_wide_settings(sender_.control());
    }

    bool take(std::string_view bytes) override {
        const size_t preface = std::min(preface_left_, bytes.size());
        preface_left_ -= preface;
        bytes.remove_prefix(preface);
        return reader_.take(bytes, *this);
    }

    bool send_some(int descriptor) override { return sender_.send_some(descriptor); }
    bool owes() const override { return sender_.owes(); }

    // What the reader hands on.
    void on_data(const h2::Frame& frame, std::string_view piece, bool last) {
        sender_.received(piece.size());
        if (last && (frame.flags & h2::kEndStream) != 0) {
            sender_.send_message(frame.stream, answer_);
        }
    }

    void on_frame(const h2::Frame& frame, std::string_view payload) {
        if (frame.type == h2::kHeaders && (frame.flags & h2::kEndStream) != 0) {
            sender_.send_message(frame.stream, answer_);
        } else if (frame.type == h2::kSettings && (frame.flags & h2::kAck) == 0) {
            sender_.on_settings(payload);
        } else if (frame.type == h2::kPing && (frame.flags & h2::kAck) == 0) {
            h2::append_frame(sender_.control(), h2::kPing, h2::kAck, 0, payload);
        } else if (frame.type == h2::kWindowUpdate) {
            sender_.on_window_update(frame.stream, h2::read_u32(payload));
        } else if (frame.type == h2::kReset) {
            sender_.forget(frame.stream);
        }
    }

  private:
    const std::string head_;
    const std::string trailers_;
    const h2::Message answer_;
    h2::Reader reader_;
    h2::Sender sender_;
    size_t preface_left_ = h2::kPreface.size();
};

}  // namespace

std::unique_ptr<FloorConnection> make_grpc_connection(std::string_view message) {
    return std::make_unique<GrpcConnection>(message);
}

}  // namespace tritonpy::bench
