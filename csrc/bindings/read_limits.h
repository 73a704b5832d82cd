// Reads what limits models: what the command line sets, and what their configs say that they need.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <vector>

#include "model/redis_link.h"
#include "server/inference_server.h"

namespace tritonpy {

// What the instances that are scheduled need while they run. REQUIRES: the GIL; `instances` are
// InstanceSpecs of tritonpy.config.
std::vector<InstanceNeeds> read_instance_needs(pybind11::handle instances);

// The redis server that is to keep answers; nothing where none is. REQUIRES: as read_limits.
std::optional<RedisOptions> read_redis_cache(pybind11::handle limits);

// Fills in what models may take of the machine. REQUIRES: the GIL; `limits` has the attributes that
// tritonpy.options.LimitOptions has.
void read_limits(pybind11::handle limits, ServerOptions& options);

}  // namespace tritonpy
