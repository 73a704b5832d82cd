// What HTTP/2 and gRPC's framing cost per call, without a socket: receive and produce of a session
// whose streams answer a unary call each; requests of 1 MiB in frames of several sizes, which come
// in reads of 64 KiB; answers of 1 MiB.
//
// The client is bytes that were made before. Its header fields are all in HPACK's table, as in a
// gRPC client's later calls.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "memory/block_pool.h"
#include "wire/grpc_message.h"
#include "wire/http2_session.h"

namespace {

using namespace tritonpy;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kEndHeaders = 4;
constexpr size_t kSmall = 122;  // an inference of FP32 [1,16] as protobuf, nearly
constexpr size_t kLarge = size_t{1} << 20;

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
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

std::string number(uint32_t value) {
    std::string out;
    for (int shift : {24, 16, 8, 0}) {
        out.push_back(static_cast<char>(value >> shift));
    }
    return out;
}

void set_stream(char* at, uint32_t stream) {
    std::string bytes = number(stream);
    std::memcpy(at + 5, bytes.data(), bytes.size());
}

// The header blocks of a gRPC client, as HPACK: the first call tells the values, every later one
// names their places in the table.
struct RequestBlocks {
    RequestBlocks() {
        constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kTold = {{
            {":path", "/inference.GRPCInferenceService/ModelInfer"},
            {":authority", "localhost:8001"},
            {"te", "trailers"},
            {"content-type", "application/grpc"},
            {"user-agent", "grpc-python/1.60.0 grpc-c/37.0.0 (linux; chttp2)"},
            {"grpc-accept-encoding", "identity, deflate, gzip"},
        }};
        first = later = "\x83\x86";  // :method POST, :scheme http
        for (size_t index = 0; index < kTold.size(); ++index) {
            auto [name, value] = kTold[index];
            first.push_back('\x40');
            first.push_back(static_cast<char>(name.size()));
            first.append(name);
            first.push_back(static_cast<char>(value.size()));
            first.append(value);
            constexpr size_t kNewest = 62;
            later.push_back(static_cast<char>(0x80 | (kNewest + kTold.size() - 1 - index)));
        }
    }
    std::string first;
    std::string later;
};

// A server that answers each unary call with the bytes that it is made with.
class Server final : public Http2Events {
  public:
    explicit Server(BufferRef answer) : session(*this), answer_(std::move(answer)) {}

    void receive(std::string_view bytes) {
        for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), limits::kReadSize))) {
            std::string_view part = bytes.substr(0, limits::kReadSize);
            TRITONPY_CHECK(session.receive(std::as_bytes(std::span(part)), 0).ok());
        }
    }
    size_t produce() {
        bool more = true;
        size_t size = 0;
        while (more) {
            more = session.produce(out);
            size += out.size();
            out.consume(out.size());
        }
        return size;
    }
    Http2Stream* on_request(int32_t stream_id, const Http2Headers& headers) override {
        benchmark::DoNotOptimize(headers.find(":path"));
        benchmark::DoNotOptimize(headers.find("grpc-timeout"));
        if (free_.empty()) {
            all_.push_back(std::make_unique<Call>(*this));
            free_.push_back(all_.back().get());
        }
        Call* call = free_.back();
        free_.pop_back();
        call->id = stream_id;
        return call;
    }
    void on_ping() override {}
    void on_ping_acknowledged() override {}
    void on_traffic() override {}

    size_t answered = 0;
    Http2Session session;
    OutQueue out;

  private:
    struct Call final : Http2Stream {
        explicit Call(Server& owner) : server(owner), reader(owner.pool_, kLarge) {}
        void on_data(std::span<const std::byte> bytes) override {
            size_t size = bytes.size();
            GrpcMessageReader::Step step = reader.next(bytes);
            TRITONPY_CHECK(step.outcome != GrpcMessageReader::Outcome::kBad);
            if (step.message) {
                message = std::move(step.message);
            }
            server.session.consume(id, size, size);
        }
        void on_end_of_request() override {
            TRITONPY_CHECK(static_cast<bool>(message));
            message = BufferRef();
            static constexpr std::array<Http2Session::Header, 3> kHeaders = {{
                {":status", "200", true},
                {"content-type", "application/grpc", true},
                {"grpc-accept-encoding", "identity, deflate, gzip", true},
            }};
            static constexpr std::array<Http2Session::Header, 1> kTrailers = {
                {{"grpc-status", "0", true}}};
            server.session.send_headers(id, kHeaders);
            auto prefix = grpc_prefix(server.answer_->size(), false);
            body.append(std::string_view(prefix.data(), prefix.size()));
            body.append(std::span(server.answer_->data(), server.answer_->size()), server.owner_);
            server.session.send_data(id, body);
            server.session.send_trailers(id, kTrailers);
        }
        void on_drained() override {}
        void on_closed(uint32_t error_code) override {
            TRITONPY_CHECK(error_code == 0);
            ++server.answered;
            server.free_.push_back(this);
        }
        Server& server;
        GrpcMessageReader reader;
        BufferRef message;
        OutQueue body;
        int32_t id = 0;
    };

    BlockPool pool_;
    BufferRef answer_;
    OutQueue::Owner owner_ = std::make_shared<int>();
    std::vector<std::unique_ptr<Call>> all_;
    std::vector<Call*> free_;
};

// The calls of one read, whose stream ids are moved on before each use.
class Calls {
  public:
    // `data_frame`: payload bytes of one DATA frame.
    Calls(size_t count, size_t message_size, size_t answer_size, size_t data_frame)
        : count_(count), answer_size_(answer_size) {
        std::string message(grpc_prefix(message_size, false).data(), kGrpcPrefixSize);
        message.append(message_size, 'x');
        for (size_t call = 0; call < count; ++call) {
            add(1, kEndHeaders, blocks_.later);
            for (size_t at = 0; at < message.size(); at += data_frame) {
                std::string_view part = std::string_view(message).substr(at, data_frame);
                add(0, at + part.size() == message.size() ? kEndStream : 0, part);
            }
        }
        // What the answers take from the connection's window; a client gives it back now and then.
        size_t taken = count * (answer_size + kGrpcPrefixSize);
        bytes_ += frame(8, 0, 0, number(static_cast<uint32_t>(taken)));
    }
    size_t count() const { return count_; }
    size_t answer_size() const { return answer_size_; }
    // What opens the connection, a first call included, with all the credit there can be.
    std::string opening() {
        std::string settings = std::string("\0\4", 2) + number(INT32_MAX) +
                               std::string("\0\5", 2) + number(1 << 22);
        return std::string(kPreface) + frame(4, 0, 0, settings) + frame(4, 1, 0, "") +
               frame(8, 0, 0, number(1 << 24)) + frame(1, kEndHeaders, 1, blocks_.first) +
               frame(0, kEndStream, 1, std::string(kGrpcPrefixSize, '\0'));
    }
    std::string_view next() {
        for (size_t at : frames_) {
            if (bytes_[at + 3] == 1) {
                stream_ += 2;
            }
            set_stream(bytes_.data() + at, stream_);
        }
        return bytes_;
    }

  private:
    void add(uint8_t type, uint8_t flags, std::string_view payload) {
        frames_.push_back(bytes_.size());
        bytes_ += frame(type, flags, 1, payload);
    }
    const size_t count_;
    const size_t answer_size_;
    RequestBlocks blocks_;
    std::string bytes_;
    std::vector<size_t> frames_;
    uint32_t stream_ = 1;
};

void run(benchmark::State& state, Calls& calls) {
    BlockPool pool;
    Server server(pool.allocate(calls.answer_size()).value());
    server.receive(calls.opening());
    server.produce();
    for ([[maybe_unused]] auto iteration : state) {
        server.receive(calls.next());
        benchmark::DoNotOptimize(server.produce());
    }
    auto answered = static_cast<size_t>(state.iterations()) * calls.count();
    TRITONPY_CHECK(server.answered == answered + 1);
    state.SetItemsProcessed(static_cast<int64_t>(answered));
}

// Calls of one connection that come in one read; items are calls.
void unary(benchmark::State& state) {
    Calls calls(static_cast<size_t>(state.range(0)), kSmall, kSmall, kSmall + kGrpcPrefixSize);
    run(state, calls);
}

// One request of 1 MiB in DATA frames of the given KiB.
void receive_large(benchmark::State& state) {
    Calls calls(1, kLarge, kSmall, static_cast<size_t>(state.range(0)) << 10);
    run(state, calls);
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kLarge));
}

// One answer of 1 MiB, borrowed; its client takes frames of any size.
void send_large(benchmark::State& state) {
    Calls calls(1, kSmall, kLarge, kSmall + kGrpcPrefixSize);
    run(state, calls);
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kLarge));
}

BENCHMARK(unary)->Arg(1)->Arg(32);
BENCHMARK(receive_large)->Arg(16)->Arg(64)->Arg(256);
BENCHMARK(send_large);

}  // namespace
