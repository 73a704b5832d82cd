#include "bindings/bind_demand.h"

#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "bindings/python_attribute.h"
#include "bindings/python_status.h"
#include "bindings/read_config.h"
#include "infer/model_identity.h"
#include "server/inference_server.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

int64_t ns_of(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

std::shared_ptr<const ModelIdentity> read_expectation(py::handle from) {
    auto identity = std::make_shared<ModelIdentity>();
    identity->name = attribute<std::string>(from, "name");
    identity->version = -1;
    identity->max_batch_size = attribute<int32_t>(from, "max_batch_size");
    identity->decoupled = attribute<bool>(from, "decoupled");
    identity->inputs = read_tensors(from.attr("inputs"));
    return identity;
}

void offer(InferenceServer& server, const std::string& name, py::handle expected, bool is_in) {
    server.offer(name, read_expectation(expected), is_in);
}

bool is_out(const InferenceServer& server, const std::string& name) {
    return value_or_raise(server.is_out(name));
}

void refuse_waiting(InferenceServer& server, const std::string& name, std::string text,
                    double for_s) {
    server.refuse_waiting(name, unavailable(std::move(text)), ns_of(for_s));
}

bool evict(InferenceServer& server, const std::string& name, double patience_s) {
    return server.evict(name, SteadyClock().now_ns() + ns_of(patience_s));
}

py::list demand_counters(const InferenceServer& server) {
    py::list out;
    for (const DemandCounters& one : server.demand_counters()) {
        out.append(py::make_tuple(one.name, one.is_in, one.hits, one.waits, one.waiting,
                                  one.last_used_ns));
    }
    return out;
}

}  // namespace

void bind_demand(py::module_& module) {
    using FreeGil = py::call_guard<py::gil_scoped_release>;
    module.def("offer_model", &offer, py::arg("server"), py::arg("name"), py::arg("expected"),
               py::arg("is_in"));
    module.def("withdraw_model", &InferenceServer::withdraw, py::arg("server"), py::arg("name"),
               FreeGil());
    module.def("next_wanted_model", &InferenceServer::next_wanted, py::arg("server"), FreeGil());
    module.def("stop_wanting", &InferenceServer::stop_wanting, py::arg("server"));
    module.def("is_model_out", &is_out, py::arg("server"), py::arg("name"));
    module.def("let_in", &InferenceServer::let_in, py::arg("server"), py::arg("name"), FreeGil());
    module.def("refuse_waiting", &refuse_waiting, py::arg("server"), py::arg("name"),
               py::arg("text"), py::arg("for_s"), FreeGil());
    module.def("evict_model", &evict, py::arg("server"), py::arg("name"), py::arg("patience_s"),
               FreeGil());
    module.def("demand_counters", &demand_counters, py::arg("server"));
}

}  // namespace tritonpy
