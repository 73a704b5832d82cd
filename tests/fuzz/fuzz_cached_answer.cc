// Fuzzes answers read from a cache in another server. What is read as an answer is one: its outputs
// are the model's, as large as their shapes say, and survive a round trip.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/check.h"
#include "model/cached_answer_bytes.h"
#include "support/request_builder.h"

using namespace tritonpy;

namespace {

ModelIdentity make_model() {
    ModelIdentity model;
    for (const auto& [name, type] : {std::pair("F", DataType::kFp32),
                                     std::pair("S", DataType::kBytes)}) {
        TensorSpec spec;
        spec.name = name;
        spec.data_type = type;
        model.outputs.push_back(spec);
    }
    return model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const ModelIdentity model = make_model();
    const auto answer = read_answer(make_buffer(std::as_bytes(std::span(data, size))), model);
    if (answer == nullptr) {
        return 0;
    }
    InferenceResponse response;
    response.outputs = answer->outputs;
    response.parameters = answer->parameters;
    for (const Tensor& output : answer->outputs) {
        if (output.data_type == DataType::kBytes) {
            const auto elements = static_cast<int64_t>(strings_of(output).size());
            TRITONPY_CHECK(elements == output.shape.element_count());
        } else {
            TRITONPY_CHECK(output.data.size() == byte_size(output.data_type, output.shape.dims()));
        }
    }
    const std::string bytes = write_answer(response);
    TRITONPY_CHECK(bytes.size() == answer_size(response));
    // Padding aside, which is not looked at.
    TRITONPY_CHECK(bytes.size() == size);
    const auto again = read_answer(make_buffer(std::as_bytes(std::span(bytes))), model);
    TRITONPY_CHECK(again != nullptr && again->outputs.size() == answer->outputs.size());
    return 0;
}
