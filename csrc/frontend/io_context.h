// What the protocols of one io thread share.
//
// Threads: confined(io). Borrows: everything.
#pragma once

#include "base/log.h"
#include "frontend/control_bridge.h"
#include "frontend/event_loop.h"
#include "frontend/frontend_options.h"
#include "frontend/held_bytes.h"
#include "frontend/infer_calls.h"
#include "frontend/server_health.h"

namespace tritonpy {

struct IoContext {
    EventLoop& loop;
    InferCalls& infer_calls;
    ControlCalls& control_calls;
    HeldBytes& held;
    const ServerHealth& health;
    const FrontendOptions& options;
    Log& log;
};

}  // namespace tritonpy
