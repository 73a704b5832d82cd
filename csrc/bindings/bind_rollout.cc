#include "bindings/bind_rollout.h"

#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "bindings/python_attribute.h"
#include "bindings/python_status.h"
#include "frontend/requested_version.h"
#include "server/inference_server.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

StickyKey read_sticky(py::handle plan) {
    if (attribute<bool>(plan, "sticky_by_request_id")) {
        return {StickyKey::Kind::kRequestId, ""};
    }
    const auto parameter = attribute<std::string>(plan, "sticky_parameter");
    if (!parameter.empty()) {
        return {StickyKey::Kind::kParameter, parameter};
    }
    const auto header = attribute<std::string>(plan, "sticky_header");
    return header.empty() ? StickyKey{} : StickyKey{StickyKey::Kind::kHeader, header};
}

std::optional<RollbackRule> read_rollback(py::handle rule) {
    if (rule.is_none()) {
        return std::nullopt;
    }
    return RollbackRule{attribute<size_t>(rule, "to"),
                        attribute<std::optional<double>>(rule, "error_rate"),
                        attribute<std::optional<int64_t>>(rule, "p99_ns"),
                        attribute<size_t>(rule, "over_requests")};
}

std::optional<ShadowRule> read_shadow(py::handle rule) {
    if (rule.is_none()) {
        return std::nullopt;
    }
    return ShadowRule{attribute<std::string>(rule, "label"),
                      attribute<int64_t>(rule, "version"),
                      attribute<uint32_t>(rule, "percent"),
                      {attribute<double>(rule, "rtol"), attribute<double>(rule, "atol")}};
}

void set_rollout(InferenceServer& server, const std::string& name, const py::object& plan) {
    if (plan.is_none()) {
        server.set_rollout(name, std::nullopt);
        return;
    }
    RolloutConfig config;
    for (py::handle target : plan.attr("targets")) {
        config.targets.push_back({attribute<std::string>(target, "label"),
                                  attribute<int64_t>(target, "version"),
                                  attribute<uint32_t>(target, "weight")});
    }
    config.sticky = read_sticky(plan);
    for (py::handle rule : plan.attr("headers")) {
        config.headers.push_back({attribute<std::string>(rule, "name"),
                                  attribute<std::optional<std::string>>(rule, "value"),
                                  attribute<size_t>(rule, "target")});
    }
    config.rollback = read_rollback(plan.attr("rollback"));
    config.shadow = read_shadow(plan.attr("shadow"));
    server.set_rollout(name, std::move(config));
}

py::object rollout_counters(const InferenceServer& server, const std::string& name) {
    const std::optional<RolloutCounters> counters = server.rollout_counters(name);
    if (!counters) {
        return py::none();
    }
    py::list targets;
    for (const RolloutCounters::OfTarget& target : counters->targets) {
        targets.append(py::make_tuple(target.target.label, target.target.version, target.requests,
                                      target.failures));
    }
    py::object shadow = py::none();
    if (counters->shadow) {
        const ShadowCounters& compared = *counters->shadow;
        shadow = py::make_tuple(compared.label, compared.version, compared.equal,
                                compared.different, compared.failed, compared.skipped,
                                compared.max_difference);
    }
    return py::make_tuple(targets, counters->rolled_back, shadow);
}

}  // namespace

void bind_rollout(py::module_& module) {
    module.def("set_rollout", &set_rollout, py::arg("server"), py::arg("name"), py::arg("plan"));
    module.def("rollout_counters", &rollout_counters, py::arg("server"), py::arg("name"));
    module.def(
        "requested_version",
        [](const InferenceServer& server, const std::string& name, const std::string& text) {
            return value_or_raise(requested_version(server, name, text));
        },
        py::arg("server"), py::arg("name"), py::arg("text"));
}

}  // namespace tritonpy
