// Goal: the list of headers is that of the rollouts that there are, and nothing where none has any.
// Method: rollouts come, change and go.
#include "model/routing_headers.h"

#include <gtest/gtest.h>

namespace tritonpy {
namespace {

using Names = RoutingHeaders::Names;

TEST(RoutingHeaders, are_those_of_all_models_each_once) {
    RoutingHeaders headers;
    EXPECT_EQ(headers.names(), nullptr);
    headers.set("a", {"x-user", "x-version", "x-user"});
    headers.set("b", {"x-version", "x-group"});
    EXPECT_EQ(*headers.names(), (Names{"x-user", "x-version", "x-group"}));
    headers.set("a", {"x-new"});
    EXPECT_EQ(*headers.names(), (Names{"x-new", "x-version", "x-group"}));
    headers.set("b", {});
    headers.set("nobody", {});
    EXPECT_EQ(*headers.names(), Names{"x-new"});
    headers.set("a", {});
    EXPECT_EQ(headers.names(), nullptr);
}

}  // namespace
}  // namespace tritonpy
