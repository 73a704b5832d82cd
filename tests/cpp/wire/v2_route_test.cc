// Goal: infer, live and ready are found by method and path, and everything else is control's.
// Method: a table of targets for each operation and of those that only look like one.
#include <gtest/gtest.h>

#include <string_view>

#include "wire/v2_route.h"

namespace tritonpy {
namespace {

TEST(V2Route, inference_names_model_and_version) {
    struct Case {
        std::string_view target, model, version;
    };
    for (const Case& row : {Case{"/v2/models/m/infer", "m", ""},
                            {"/v2/models/m/versions/12/infer", "m", "12"},
                            {"/v2/models/m/versions/007/infer?a=/b#c", "m", "007"},
                            {"/v2/models/m/infer#?/x", "m", ""},
                            {"/v2/models/fix%65d/infer", "fix%65d", ""},
                            {"/v2/models/versions/infer", "versions", ""},
                            {"/v2/models/versions/versions/1/infer", "versions", "1"},
                            {"/v2/models/m/versions/canary/infer", "m", "canary"},
                            {"/v2/models/infer/infer", "infer", ""},
                            {"/v2/models/../infer", "..", ""},
                            {"http://host:8000/v2/models/m/infer", "m", ""},
                            {"HTTPS://user@[::1]/v2/models/m/versions/1/infer?x", "m", "1"}}) {
        V2Route route = route_http("POST", row.target);
        EXPECT_EQ(route.operation, V2Operation::kInfer) << row.target;
        EXPECT_EQ(route.model, row.model);
        EXPECT_EQ(route.version, row.version);
    }
}

TEST(V2Route, health_is_get_and_head) {
    for (std::string_view method : {"GET", "HEAD"}) {
        EXPECT_EQ(route_http(method, "/v2/health/live").operation, V2Operation::kServerLive);
        EXPECT_EQ(route_http(method, "/v2/health/ready?x").operation, V2Operation::kServerReady);
        EXPECT_EQ(route_http(method, "http://h/v2/health/live").operation,
                  V2Operation::kServerLive);
        V2Route route = route_http(method, "/v2/models/m/ready");
        EXPECT_EQ(route.operation, V2Operation::kModelReady);
        EXPECT_EQ(route.model, "m");
        EXPECT_EQ(route.version, "");
        EXPECT_EQ(route_http(method, "/v2/models/m/versions/3/ready").version, "3");
    }
}

TEST(V2Route, other_methods_are_left_to_control) {
    for (std::string_view method : {"GET", "HEAD", "PUT", "DELETE", "post", "OPTIONS", ""}) {
        V2Route route = route_http(method, "/v2/models/m/infer");
        EXPECT_EQ(route.operation, V2Operation::kControl) << method;
        EXPECT_EQ(route.model, "");
    }
    for (std::string_view method : {"POST", "PUT", "get", ""}) {
        EXPECT_EQ(route_http(method, "/v2/health/live").operation, V2Operation::kControl);
        EXPECT_EQ(route_http(method, "/v2/health/ready").operation, V2Operation::kControl);
        EXPECT_EQ(route_http(method, "/v2/models/m/ready").operation, V2Operation::kControl);
    }
}

TEST(V2Route, other_paths_are_left_to_control) {
    for (std::string_view target :
         {"", "/", "*", "/v2", "/v2/", "/v2/health", "/v2/health/live/", "/v2/health/lives",
          "//v2/health/live", "/V2/health/live", "/v2/models", "/v2/models/", "/v2/models/m",
          "/v2/models//infer", "/v2/models//ready", "/v2/models/m/", "/v2/models/m/infer/",
          "/v2/models/m/inference", "/v2/models/a/b/infer", "/v2/models/m//infer",
          "/v2/models/m/versions/infer", "/v2/models/m/versions//infer",
          "/v2/models/m/versions/1", "/v2/models/m/versions/1/", "/v2/models/m/versions/1one/infer",
          "/v2/models/m/versions/1a/ready", "/v2/models/m/versions/-1/infer",
          "/v2/models/m/versions/1/config", "/v2/models/m/versions/1/2/infer",
          "/v2/models/m/config", "/v2/models/m/stats", "/v2/models/stats", "/infer",
          "v2/models/m/infer", "host:443", "http://host", "http://host?/v2/health/live",
          "/x?/v2/health/live", "/v2/models/m?/infer", "/v2/models/m#/infer"}) {
        for (std::string_view method : {"GET", "POST"}) {
            V2Route route = route_http(method, target);
            EXPECT_EQ(route.operation, V2Operation::kControl) << target;
            EXPECT_EQ(route.model, "") << target;
        }
    }
}

TEST(V2Route, grpc_methods_are_found_by_their_path) {
    struct Case {
        std::string_view path;
        V2Operation operation;
    };
    for (const Case& row :
         {Case{"/inference.GRPCInferenceService/ModelInfer", V2Operation::kInfer},
          {"/inference.GRPCInferenceService/ModelStreamInfer", V2Operation::kStreamInfer},
          {"/inference.GRPCInferenceService/ServerLive", V2Operation::kServerLive},
          {"/inference.GRPCInferenceService/ServerReady", V2Operation::kServerReady},
          {"/inference.GRPCInferenceService/ModelReady", V2Operation::kModelReady},
          {"/inference.GRPCInferenceService/ModelMetadata", V2Operation::kControl},
          {"/inference.GRPCInferenceService/modelinfer", V2Operation::kControl},
          {"/inference.GRPCInferenceService/ModelInfer/", V2Operation::kControl},
          {"/inference.GRPCInferenceService/ModelInfer?x", V2Operation::kControl},
          {"/inference.GRPCInferenceService/", V2Operation::kControl},
          {"/grpc.health.v1.Health/Check", V2Operation::kControl},
          {"ModelInfer", V2Operation::kControl},
          {"", V2Operation::kControl}}) {
        EXPECT_EQ(route_grpc(row.path).operation, row.operation) << row.path;
    }
}

}  // namespace
}  // namespace tritonpy
