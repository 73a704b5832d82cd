// What the control plane knows of the server's health, for the front end to answer at once.
//
// Threads: thread-safe: written by the control plane, read by io threads.
#pragma once

#include <atomic>

namespace tritonpy {

struct ServerHealth {
    // relaxed: an answer that is one moment old is right.
    std::atomic<bool> ready{false};
    std::atomic<bool> exiting{false};  // nothing is live or ready any more
    // Some model has a word of its own on whether it is ready: the control plane asks it.
    std::atomic<bool> models_have_checks{false};
};

}  // namespace tritonpy
