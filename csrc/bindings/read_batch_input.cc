#include "bindings/read_batch_input.h"

#include <string>
#include <string_view>
#include <utility>

#include "bindings/python_attribute.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

BatchInputKind kind_of(std::string_view name) {
    constexpr std::pair<std::string_view, BatchInputKind> kKinds[] = {
        {"BATCH_ELEMENT_COUNT", BatchInputKind::kElementCount},
        {"BATCH_ACCUMULATED_ELEMENT_COUNT", BatchInputKind::kAccumulatedElementCount},
        {"BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO",
         BatchInputKind::kAccumulatedElementCountWithZero},
        {"BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", BatchInputKind::kMaxElementCountAsShape},
        {"BATCH_ITEM_SHAPE", BatchInputKind::kItemShape},
        {"BATCH_ITEM_SHAPE_FLATTEN", BatchInputKind::kItemShapeFlatten}};
    for (const auto& [known, kind] : kKinds) {
        if (known == name) {
            return kind;
        }
    }
    throw py::value_error("unknown batch input kind '" + std::string(name) + "'");
}

}  // namespace

std::vector<BatchInputSpec> read_batch_inputs(py::handle batch_inputs) {
    std::vector<BatchInputSpec> specs;
    for (py::handle batch_input : batch_inputs) {
        BatchInputSpec& spec = specs.emplace_back();
        spec.kind = kind_of(attribute<std::string>(batch_input, "kind"));
        spec.target_names = attribute<std::vector<std::string>>(batch_input, "target_names");
        spec.source_input = attribute<std::string>(batch_input, "source_input");
        spec.data_type = data_type_attribute(batch_input, spec.source_input);
    }
    return specs;
}

}  // namespace tritonpy
