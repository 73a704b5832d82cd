// An io thread that serves gRPC on socket pairs: what HttpTest has, with gRPC spoken on them.
//
// Besides "model" there is "many", the same but decoupled, and the messages of the inference calls
// can be made and read.
//
// Threads: compatible: one test thread, which is also the control plane.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/grpc_client.h"
#include "frontend/grpc_protocol.h"
#include "frontend/http_fixture.h"
#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"

namespace tritonpy {

inline constexpr int kGrpcOk = 0;
inline constexpr int kGrpcInvalidArgument = 3;
inline constexpr int kGrpcDeadlineExceeded = 4;
inline constexpr int kGrpcNotFound = 5;
inline constexpr int kGrpcResourceExhausted = 8;
inline constexpr int kGrpcUnimplemented = 12;
inline constexpr int kGrpcInternal = 13;
inline constexpr int kGrpcUnavailable = 14;

// What a ModelInferRequest says, as far as tests care.
struct GrpcInferMessage {
    std::string model = "model";
    std::string id;
    std::string data = std::string("\0\0\x80\x3f", 4);  // of INPUT0, FP32 [1,n]
    bool empty_final = false;  // triton_enable_empty_final_response

    std::string bytes() const {
        ProtobufWriter input;
        input.string_field(1, "INPUT0");
        input.string_field(2, "FP32");
        input.varint_field(3, 1);
        input.varint_field(3, data.size() / 4);
        ProtobufWriter out;
        out.string_field(1, model);
        out.string_field_unless_empty(3, id);
        if (empty_final) {
            ProtobufWriter value;
            value.varint_field(1, 1);
            ProtobufWriter entry;
            entry.string_field(1, "triton_enable_empty_final_response");
            entry.bytes_field(2, value.bytes());
            out.bytes_field(4, entry.bytes());
        }
        out.bytes_field(5, input.bytes());
        out.bytes_field(7, data);
        return out.take();
    }
};

// The last value of a length-delimited field; "" when there is none.
inline std::string field_of(std::string_view message, uint32_t field) {
    std::string value;
    ProtobufReader reader(std::as_bytes(std::span(message)));
    while (reader.next()) {
        if (reader.tag() == protobuf_tag(field, WireType::kLength)) {
            std::span<const std::byte> bytes = reader.bytes();
            value.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        } else {
            reader.skip();
        }
    }
    EXPECT_EQ(reader.failure(), nullptr);
    return value;
}

// A ModelInferResponse.
struct InferAnswer {
    explicit InferAnswer(std::string_view message)
        : model(field_of(message, 1)), id(field_of(message, 3)), data(field_of(message, 6)) {}
    std::string model;
    std::string id;
    std::string data;  // of the one output
};

// A ModelStreamInferResponse.
struct StreamAnswerMessage {
    explicit StreamAnswerMessage(std::string_view message)
        : error(field_of(message, 1)), response(field_of(message, 2)) {
        const std::string parameter = field_of(field_of(message, 2), 4);
        final = field_of(parameter, 1) == "triton_final_response" &&
                field_of(parameter, 2) == std::string("\x08\x01", 2);
    }
    std::string error;
    InferAnswer response;
    bool final = false;
};

struct GrpcTest : HttpTest {
    Listener grpc_listener{-1, &make_grpc_protocol, nullptr};

    GrpcTest() {
        options.grpc.emplace();
        options.idle_timeout_ms = 3'600'000;
        options.request_timeout_ms = 60'000;
    }

    void SetUp() override {
        HttpTest::SetUp();
        ModelConfig config = make_config("many", 1, 0);
        config.executor.inputs[0].dims = Shape({-1, -1});
        config.executor.outputs[0].dims = Shape({-1, -1});
        config.decoupled = true;
        auto model = server.build_model(config);
        ASSERT_TRUE(model.ok()) << model.status().message();
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(std::move(model).value());
        server.publish("many", std::move(models), {});
    }

    std::unique_ptr<GrpcTestClient> connect_grpc(uint32_t window = 1 << 20) {
        int sockets[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        EXPECT_EQ(::fcntl(sockets[0], F_SETFL, O_NONBLOCK), 0);
        io->open(sockets[0], grpc_listener);
        return std::make_unique<GrpcTestClient>(sockets[1], window);
    }

    // Lets the io thread run until something that it sees holds.
    template <typename Predicate>
    void run_until(Predicate done) {
        while (!done()) {
            let_io_run();
        }
    }
    // The connection answers a call.
    void expect_serves(GrpcTestClient& client) {
        const GrpcTestCall& call = client.result_of("ModelInfer", GrpcInferMessage{}.bytes());
        EXPECT_EQ(call.status(), kGrpcOk) << call.text();
    }
};

}  // namespace tritonpy
