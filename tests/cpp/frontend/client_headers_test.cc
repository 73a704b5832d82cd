// Goal: a request takes along the headers that somebody asks for, and no others.
// Method: a server with and without a rollout that decides by headers; headers one by one.
#include "frontend/client_headers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tritonpy {
namespace {

using Protocol = ClientHeaderReader::Protocol;

struct ClientHeadersTest : ::testing::Test {
    SteadyClock clock;
    Log log;
    InferenceServer server{ServerOptions(), clock, log};
    std::shared_ptr<const HeaderPattern> pattern =
        HeaderPattern::make("x-|_id|triton_", HeaderPattern::Case::kIgnored).value();

    void decide_by(const std::string& header) {
        RolloutConfig config;
        config.targets = {{"stable", 1, 1}};
        config.headers = {{header, std::nullopt, 0}};
        server.set_rollout("model", config);
    }
};

TEST_F(ClientHeadersTest, nobody_asks_where_there_is_neither_pattern_nor_rule) {
    EXPECT_FALSE(ClientHeaderReader(Protocol::kHttp, nullptr, server).wants_any());
    EXPECT_TRUE(ClientHeaderReader(Protocol::kHttp, pattern.get(), server).wants_any());
    decide_by("x-user");
    EXPECT_TRUE(ClientHeaderReader(Protocol::kHttp, nullptr, server).wants_any());
    server.set_rollout("model", std::nullopt);
    EXPECT_FALSE(ClientHeaderReader(Protocol::kHttp, nullptr, server).wants_any());
}

TEST_F(ClientHeadersTest, the_pattern_makes_parameters_and_rules_get_headers) {
    decide_by("x-user");
    ClientHeaderReader reader(Protocol::kHttp, pattern.get(), server);
    EXPECT_TRUE(reader.read("X-User", "ann").ok());
    EXPECT_TRUE(reader.read("X-Trace", "a \"b\" \\c").ok());
    EXPECT_TRUE(reader.read("Accept", "*/*").ok());
    InferenceRequest request;
    request.parameters = {{"own", int64_t{1}}};
    reader.taken().add_to(request);
    EXPECT_EQ(request.parameters,
              (std::vector<Parameter>{{"own", int64_t{1}},
                                      {"X-User", std::string("ann")},
                                      {"X-Trace", std::string("a \"b\" \\c")}}));
    EXPECT_GT(reader.taken().size(), 2 * (6 + 3) + 7 + 9u);  // names and values
    EXPECT_EQ(ClientHeaders().size(), 0u);
    ASSERT_EQ(request.headers.size(), 1u);
    EXPECT_EQ(request.headers[0].name, "x-user");
    EXPECT_EQ(request.headers[0].value, "ann");
}

TEST_F(ClientHeadersTest, http_refuses_to_forward_what_is_reserved) {
    ClientHeaderReader reader(Protocol::kHttp, pattern.get(), server);
    for (const char* name : {"sequence_id", "Sequence_ID", "triton_x", "TRITON_"}) {
        EXPECT_EQ(reader.read(name, "1"),
                  invalid_arg("Header '" + std::string(name) +
                              "' is reserved for Triton usage and cannot be forwarded."));
    }
    EXPECT_TRUE(reader.read("priority", "u=1").ok());  // the pattern has no such name
    ClientHeaderReader grpc(Protocol::kGrpc, pattern.get(), server);
    EXPECT_TRUE(grpc.read("triton_grpc_error", "true").ok());
    EXPECT_EQ(grpc.taken().parameters.size(), 1u);
}

TEST_F(ClientHeadersTest, grpc_keeps_its_own_to_itself_and_what_is_no_text_is_no_parameter) {
    auto all = HeaderPattern::make(".*", HeaderPattern::Case::kMinded).value();
    ClientHeaderReader reader(Protocol::kGrpc, all.get(), server);
    for (const char* name : {":path", "grpc-timeout", "te", "content-type", "blob-bin"}) {
        EXPECT_TRUE(reader.read(name, "1").ok());
    }
    EXPECT_TRUE(reader.read("name", "caf\xE9").ok());
    EXPECT_TRUE(reader.taken().parameters.empty());
}

}  // namespace
}  // namespace tritonpy
