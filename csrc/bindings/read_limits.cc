#include "bindings/read_limits.h"

#include <optional>
#include <string>

#include "bindings/python_attribute.h"

namespace py = pybind11;

namespace tritonpy {

std::vector<InstanceNeeds> read_instance_needs(py::handle instances) {
    std::vector<InstanceNeeds> all;
    for (py::handle instance : instances) {
        if (attribute<bool>(instance, "passive")) {
            continue;
        }
        InstanceNeeds& needs = all.emplace_back();
        needs.device = attribute<int32_t>(instance, "device_id");
        needs.priority = attribute<uint32_t>(instance, "priority");
        for (py::handle resource : instance.attr("resources")) {
            needs.resources.push_back({attribute<std::string>(resource, "name"),
                                       attribute<bool>(resource, "is_global"),
                                       attribute<uint64_t>(resource, "count")});
        }
    }
    return all;
}

std::optional<RedisOptions> read_redis_cache(py::handle limits) {
    const py::object redis = limits.attr("redis_cache");
    if (redis.is_none()) {
        return std::nullopt;
    }
    RedisOptions options;
    options.host = attribute<std::string>(redis, "host");
    options.port = attribute<uint16_t>(redis, "port");
    options.user = attribute<std::string>(redis, "user");
    options.password = attribute<std::string>(redis, "password");
    options.database = attribute<uint32_t>(redis, "database");
    options.connect_timeout_ms = attribute<int64_t>(redis, "connect_timeout_ms");
    options.socket_timeout_ms = attribute<int64_t>(redis, "socket_timeout_ms");
    return options;
}

void read_limits(py::handle limits, ServerOptions& options) {
    options.response_cache_bytes = attribute<size_t>(limits, "response_cache_bytes");
    options.rate_limit = attribute<bool>(limits, "rate_limit");
    for (py::handle resource : limits.attr("resource_counts")) {
        options.resource_counts.push_back(
            {attribute<std::string>(resource, "name"), attribute<uint64_t>(resource, "count"),
             attribute<std::optional<int32_t>>(resource, "device")});
    }
}

}  // namespace tritonpy
