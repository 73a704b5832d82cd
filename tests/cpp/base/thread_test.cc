// Goal: a thread runs its body under its name and its owner's destructor waits for it.
// Method: read the name from inside the thread; look at what it did after the destructor.
#include "base/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <string>

namespace tritonpy {
namespace {

TEST(Thread, destructor_waits_for_the_body) {
    bool done = false;  // not atomic: the join orders it
    { Thread thread("worker", [&] { done = true; }); }
    EXPECT_TRUE(done);
}

TEST(Thread, name_is_cut_to_what_the_kernel_takes) {
    std::atomic<bool> named{false};
    std::string seen;
    {
        Thread thread("instance mlp_0_1", [&] {
            named.wait(false);
            std::array<char, 64> name{};
            pthread_getname_np(pthread_self(), name.data(), name.size());
            seen = name.data();
        });
        named = true;
        named.notify_one();
    }
    EXPECT_EQ(seen, "instance mlp_0_");
}

}  // namespace
}  // namespace tritonpy
