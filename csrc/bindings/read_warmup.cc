#include "bindings/read_warmup.h"

#include <string>

#include "bindings/python_attribute.h"

namespace py = pybind11;

namespace tritonpy {

std::vector<WarmupSample> read_warmup(py::handle samples) {
    std::vector<WarmupSample> read;
    for (py::handle given : samples) {
        WarmupSample& sample = read.emplace_back();
        sample.name = attribute<std::string>(given, "name");
        sample.batch_size = attribute<uint32_t>(given, "batch_size");
        sample.count = attribute<uint32_t>(given, "count");
        for (py::handle tensor : given.attr("inputs")) {
            WarmupInput& input = sample.inputs.emplace_back();
            input.name = attribute<std::string>(tensor, "name");
            input.data_type = data_type_attribute(tensor, input.name);
            input.dims = shape_attribute(tensor, "dims");
            input.data = attribute<py::bytes>(tensor, "data");
        }
    }
    return read;
}

}  // namespace tritonpy
