#include "bindings/bind_inference.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/completion_queue.h"
#include "bindings/python_buffer.h"
#include "bindings/python_status.h"
#include "wire/model_version.h"
#include "wire/v2_json.h"
#include "wire/v2_protobuf.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

// Above this, decoding or copying a body outweighs handing the GIL over and back (about 1 us when
// other threads want it).
constexpr size_t kReleaseGilAbove = 64 << 10;

// Releases the GIL for the scope when there is enough work in it.
class MaybeReleaseGil {
  public:
    explicit MaybeReleaseGil(size_t work_bytes) {
        if (work_bytes > kReleaseGilAbove) {
            release_.emplace();
        }
    }

  private:
    std::optional<py::gil_scoped_release> release_;
};

// A submitted request: the tag that its response will carry, and the way to cancel it.
struct Pending {
    uint64_t tag = 0;
    std::shared_ptr<Cancellation> cancellation;
};

// A response in Python's hands. The server is shared because the tensors borrow from its pool; it
// stands first so that it goes last.
struct PendingResponse {
    std::shared_ptr<InferenceServer> server;
    std::unique_ptr<InferenceResponse> response;
};

Pending submit(CompletionQueue& queue, std::unique_ptr<InferenceRequest> request) {
    Pending pending;
    pending.cancellation = std::make_shared<Cancellation>();
    request->cancellation = pending.cancellation;
    pending.tag = value_or_raise(queue.submit(std::move(request)));
    return pending;
}

Pending submit_json(CompletionQueue& queue, std::string model, int64_t version,
                    const py::bytes& body, std::optional<int64_t> json_length,
                    size_t max_input_size) {
    InferenceServer& server = *queue.server();
    auto identity = value_or_raise(server.model_identity(model, version));
    BufferRef buffer = borrow_python_bytes(body);
    auto decoded = [&] {
        MaybeReleaseGil maybe(buffer->size());
        return decode_infer_json(buffer, json_length, *identity, max_input_size, server.pool());
    }();
    auto request = value_or_raise(std::move(decoded));
    request->model_name = std::move(model);
    request->model_version = version;
    return submit(queue, std::move(request));
}

Pending submit_protobuf(CompletionQueue& queue, const py::bytes& message) {
    BufferRef buffer = borrow_python_bytes(message);
    auto decoded = [&] {
        MaybeReleaseGil maybe(buffer->size());
        return decode_infer_protobuf(buffer, queue.server()->pool());
    }();
    return submit(queue, value_or_raise(std::move(decoded)).request);
}

ParameterValue parameter_value_of(py::handle value) {
    if (py::isinstance<py::bool_>(value)) {
        return value.cast<bool>();
    }
    if (py::isinstance<py::int_>(value)) {
        return value.cast<int64_t>();
    }
    if (py::isinstance<py::float_>(value)) {
        return value.cast<double>();
    }
    return value.cast<std::string>();
}

// One in-process input: (name, wire data type, shape, bytes-like).
using PythonInput = std::tuple<std::string, std::string, std::vector<int64_t>, py::object>;

Pending submit_tensors(CompletionQueue& queue, std::string model, int64_t version,
                       std::string request_id, const std::vector<PythonInput>& inputs,
                       std::vector<std::string> outputs, const py::dict& parameters) {
    auto request = std::make_unique<InferenceRequest>();
    request->model_name = std::move(model);
    request->model_version = version;
    request->id = std::move(request_id);
    for (const auto& [name, data_type, shape, data] : inputs) {
        std::optional<DataType> type = data_type_of(data_type);
        if (!type) {
            raise_status(invalid_arg("input '" + name + "' has unknown data-type '" + data_type +
                                     "'"));
        }
        Tensor tensor{name, *type, Shape(shape), {}, borrow_python_bytes(data)};
        tensor.data = {tensor.buffer->data(), tensor.buffer->size()};
        request->inputs.push_back(std::move(tensor));
    }
    for (std::string& name : outputs) {
        RequestedOutput requested;
        requested.name = std::move(name);
        request->outputs.push_back(std::move(requested));
    }
    for (auto [name, value] : parameters) {
        request->parameters.push_back({name.cast<std::string>(), parameter_value_of(value)});
    }
    return submit(queue, std::move(request));
}

py::bytes joined(const EncodedBody& body) {
    auto bytes = py::reinterpret_steal<py::bytes>(
        PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(body.size())));
    if (!bytes) {
        throw py::error_already_set();
    }
    char* out = PyBytes_AS_STRING(bytes.ptr());
    MaybeReleaseGil maybe(body.size());
    for (std::span<const std::byte> piece : body.pieces()) {
        std::copy_n(reinterpret_cast<const char*>(piece.data()), piece.size(), out);
        out += piece.size();
    }
    return bytes;
}

// Encodes a successful response with one of the codecs of wire/.
void encode(const PendingResponse& self,
            Status (*encoder)(const InferenceResponse& response, EncodedBody& body),
            EncodedBody& body) {
    const InferenceResponse& response = *self.response;
    raise_if_error(response.status);
    size_t output_bytes = 0;
    for (const Tensor& tensor : response.outputs) {
        output_bytes += tensor.data.size();
    }
    Status status = [&] {
        MaybeReleaseGil maybe(output_bytes);
        return encoder(response, body);
    }();
    raise_if_error(status);
}

py::tuple encode_json(const PendingResponse& self) {
    EncodedBody body;
    encode(self, &encode_infer_json, body);
    return py::make_tuple(joined(body), body.json_length);
}

py::bytes encode_protobuf(const PendingResponse& self) {
    EncodedBody body;
    encode(self, &encode_infer_protobuf, body);
    return joined(body);
}

py::bytes encode_stream_protobuf(const PendingResponse& self) {
    EncodedBody body;
    encode(
        self,
        [](const InferenceResponse& response, EncodedBody& encoded) {
            return encode_stream_infer_protobuf(response, response.request->id, encoded);
        },
        body);
    return joined(body);
}

py::list outputs_of(const PendingResponse& self) {
    raise_if_error(self.response->status);
    py::list views;
    for (const Tensor& tensor : self.response->outputs) {
        views.append(TensorView{self.server, tensor});
    }
    return views;
}

py::list drain(CompletionQueue& queue) {
    py::list drained;
    for (auto& response : queue.drain()) {
        uint64_t tag = response->request->tag;
        drained.append(
            py::make_tuple(tag, std::make_unique<PendingResponse>(
                                    PendingResponse{queue.server(), std::move(response)})));
    }
    return drained;
}

}  // namespace

void bind_inference(py::module_& module) {
    py::class_<Pending>(module, "Pending")
        .def_readonly("tag", &Pending::tag)
        .def("cancel", [](const Pending& pending) {
            pending.cancellation->requested.store(true, std::memory_order_relaxed);
        });

    py::class_<PendingResponse>(module, "Response")
        .def("encode_json", &encode_json)
        .def("encode_protobuf", &encode_protobuf)
        .def("encode_stream_protobuf", &encode_stream_protobuf)
        .def_property_readonly(
            "model_version",
            [](const PendingResponse& self) { return self.response->model->version; })
        .def("outputs", &outputs_of);

    py::class_<CompletionQueue, std::unique_ptr<CompletionQueue, CloseWithoutGil>>(
        module, "CompletionQueue")
        .def(py::init<std::shared_ptr<InferenceServer>>(), py::arg("server"))
        .def("fileno", &CompletionQueue::event_descriptor)
        .def("drain", &drain)
        .def("close", &CompletionQueue::close, py::call_guard<py::gil_scoped_release>())
        .def("submit_json", &submit_json, py::arg("model"), py::arg("version"), py::arg("body"),
             py::arg("json_length"), py::arg("max_input_size"))
        .def("submit_protobuf", &submit_protobuf, py::arg("message"))
        .def("submit_tensors", &submit_tensors, py::arg("model"), py::arg("version"),
             py::arg("request_id"), py::arg("inputs"), py::arg("outputs"), py::arg("parameters"));

    module.def("encode_error_json",
               [](const std::string& text) { return py::bytes(encode_error_json(text)); },
               py::arg("text"));
    module.def(
        "parse_json_length",
        [](const std::string& header) { return value_or_raise(parse_json_length(header)); },
        py::arg("header"));
    module.def(
        "parse_model_version",
        [](const std::string& text) { return value_or_raise(parse_model_version(text)); },
        py::arg("text"));
}

}  // namespace tritonpy
