// gRPC of the load client: unary calls, each answered with a message and grpc-status 0.
//
// The request's headers are those of gRPC's own clients, and like those it puts all of them into
// the compression table with the first call and sends their numbers from then on.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>

#include "client_connection.h"
#include "h2_frames.h"
#include "h2_reader.h"
#include "h2_sender.h"

namespace tritonpy::bench {
namespace {

constexpr char kIndexed = static_cast<char>(0x80);
constexpr char kNewEntry = 0x40;
constexpr int kFirstDynamic = 62;  // the number of the newest entry
// Numbers in the table that every peer has.
constexpr char kMethodPost = 3, kSchemeHttp = 6;
constexpr char kPathName = 4, kAuthorityName = 1, kContentTypeName = 31, kUserAgentName = 58;

struct Field {
    char name_index;  // 0: `name` is spelled out
    std::string_view name;
    std::string_view value;
};

// The block of the first request, and that of all later ones.
struct RequestHeads {
    explicit RequestHeads(const Load& load) {
        const std::array<Field, 6> fields = {{
            {kPathName, {}, load.path},
            {kAuthorityName, {}, load.authority},
            {kContentTypeName, {}, "application/grpc"},
            {0, "te", "trailers"},
            {0, "grpc-accept-encoding", "identity, deflate, gzip"},
            {kUserAgentName, {}, "tritonpy-bench"},
        }};
        for (char known : {kMethodPost, kSchemeHttp}) {
            first += static_cast<char>(kIndexed | known);
            later += static_cast<char>(kIndexed | known);
        }
        int number = kFirstDynamic + static_cast<int>(fields.size());
        for (const Field& field : fields) {
            first += static_cast<char>(kNewEntry | field.name_index);
            if (field.name_index == 0) {
                append_text(field.name);
            }
            append_text(field.value);
            later += static_cast<char>(kIndexed | --number);
        }
    }
    // REQUIRES: shorter than 127, which takes one byte of length.
    void append_text(std::string_view text) {
        first += static_cast<char>(text.size());
        first.append(text);
    }

    std::string first;
    std::string later;
};

class GrpcClient final : public ClientConnection {
  public:
    explicit GrpcClient(Load& load) : load_(load), heads_(load) {
        sender_.control().append(h2::kPreface);
        h2::append_wide_settings(sender_.control());
        nghttp2_hd_inflate_new(&inflater_);
    }
    ~GrpcClient() override { nghttp2_hd_inflate_del(inflater_); }
    GrpcClient(const GrpcClient&) = delete;
    GrpcClient& operator=(const GrpcClient&) = delete;

    void begin() override {
        while (calls_.size() < load_.streams) {
            const bool first = next_stream_ == 1;
            calls_.push_back({next_stream_, now_ns(), false});
            sender_.send_message(next_stream_,
                                 {first ? heads_.first : heads_.later, load_.request, {}});
            next_stream_ += 2;
        }
    }

    bool take(std::string_view bytes) override {
        if (!reader_.take(bytes, *this)) {
            error_ = "the server sent no HTTP/2";
        }
        return error_.empty();
    }

    bool send_some(int descriptor) override { return sender_.send_some(descriptor); }
    bool owes() const override { return sender_.owes(); }
    size_t in_flight() const override { return calls_.size(); }
    size_t answers() const override { return answers_; }
    std::string error() const override { return error_; }

    // What the reader hands on.
    void on_data(const h2::Frame& frame, std::string_view piece, bool last) {
        sender_.received(piece.size());
        Call* call = find(frame.stream);
        if (call == nullptr || (last && (frame.flags & h2::kEndStream) != 0)) {
            error_ = "DATA that ends a call or belongs to none";
            return;
        }
        call->has_message = true;
    }

    void on_frame(const h2::Frame& frame, std::string_view payload) {
        if (frame.type == h2::kHeaders) {
            on_headers(frame, payload);
        } else if (frame.type == h2::kSettings && (frame.flags & h2::kAck) == 0) {
            sender_.on_settings(payload);
        } else if (frame.type == h2::kPing && (frame.flags & h2::kAck) == 0) {
            h2::append_frame(sender_.control(), h2::kPing, h2::kAck, 0, payload);
        } else if (frame.type == h2::kWindowUpdate) {
            sender_.on_window_update(frame.stream, h2::read_u32(payload));
        } else if (frame.type == h2::kReset) {
            error_ = "the server reset a call";
        } else if (frame.type == h2::kGoaway) {
            error_ = "the server ended the connection: " + std::string(payload.substr(8));
        }
    }

  private:
    struct Call {
        uint32_t stream;
        int64_t begun_ns;
        bool has_message;
    };

    Call* find(uint32_t stream) {
        auto found = std::find_if(calls_.begin(), calls_.end(),
                                  [stream](const Call& call) { return call.stream == stream; });
        return found == calls_.end() ? nullptr : &*found;
    }

    void on_headers(const h2::Frame& frame, std::string_view block) {
        if ((frame.flags & (h2::kEndHeaders | h2::kPadded)) != h2::kEndHeaders) {
            error_ = "a HEADERS frame of a kind that no server sends";
            return;
        }
        std::string fields;
        const bool good = inflate(block, fields);
        Call* call = find(frame.stream);
        if (!good || call == nullptr) {
            error_ = "a call failed: " + fields;
        } else if ((frame.flags & h2::kEndStream) != 0) {
            finish(*call, fields);
        }
    }

    // Whether every status in the block is good; `fields` gets the bad ones and messages.
    bool inflate(std::string_view block, std::string& fields) {
        const auto* in = reinterpret_cast<const uint8_t*>(block.data());
        size_t left = block.size();
        bool good = true;
        while (true) {
            nghttp2_nv field{};
            int flags = 0;
            const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, in, left, 1);
            if (used < 0) {
                return false;
            }
            in += used;
            left -= static_cast<size_t>(used);
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
                good = check(field, fields) && good;
            }
            if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
                nghttp2_hd_inflate_end_headers(inflater_);
                return good;
            }
        }
    }

    static bool check(const nghttp2_nv& field, std::string& fields) {
        const std::string_view name(reinterpret_cast<const char*>(field.name), field.namelen);
        const std::string_view value(reinterpret_cast<const char*>(field.value), field.valuelen);
        const bool bad =
            (name == ":status" && value != "200") || (name == "grpc-status" && value != "0");
        if (bad || name == "grpc-message") {
            fields.append(name).append(": ").append(value).append("; ");
        }
        return !bad;
    }

    void finish(Call& call, const std::string& fields) {
        if (!call.has_message) {
            error_ = "a call ended without a message: " + fields;
            return;
        }
        load_.latencies_ns.push_back(static_cast<uint32_t>(now_ns() - call.begun_ns));
        ++answers_;
        call = calls_.back();
        calls_.pop_back();
        if (!load_.paused) {
            begin();
        }
    }

    Load& load_;
    const RequestHeads heads_;
    h2::Reader reader_;
    h2::Sender sender_;
    nghttp2_hd_inflater* inflater_ = nullptr;
    uint32_t next_stream_ = 1;
    std::vector<Call> calls_;
    size_t answers_ = 0;
    std::string error_;
};

}  // namespace

std::unique_ptr<ClientConnection> make_grpc_client(Load& load) {
    return std::make_unique<GrpcClient>(load);
}

}  // namespace tritonpy::bench
