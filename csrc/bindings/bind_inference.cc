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
#include "frontend/client_headers.h"
#include "frontend/requested_version.h"
#include "wire/json_reader.h"
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

// A submitted request in Python's hands.
using Pending = std::shared_ptr<CompletionCall>;

// A response in Python's hands. The server is shared because the tensors borrow from its pool; it
// stands first so that it goes last.
struct PendingResponse {
    std::shared_ptr<InferenceServer> server;
    Completion completion;

    const InferenceResponse& response() const { return *completion.response; }
};

Pending submit(CompletionQueue& queue, std::unique_ptr<InferenceRequest> request,
               const ModelIdentity& model, bool wants_empty_final = false) {
    auto call = std::make_shared<CompletionCall>();
    call->request_id = request->id;
    call->decoupled = model.decoupled;
    call->wants_empty_final = wants_empty_final;
    raise_if_error(queue.submit(std::move(request), *call));
    return call;
}

using Protocol = ClientHeaderReader::Protocol;

// Names and values are bytes or text.
using PythonHeaders = std::vector<std::pair<std::string, std::string>>;

// `headers` is a sequence of pairs, which is looked at where somebody asks for any.
void add_headers(ClientHeaderReader reader, const py::sequence& headers,
                 InferenceRequest& request) {
    if (reader.wants_any()) {
        for (const auto& [name, value] : headers.cast<PythonHeaders>()) {
            raise_if_error(reader.read(name, value));
        }
        reader.taken().add_to(request);
    }
}

Pending submit_json(CompletionQueue& queue, std::string model, int64_t version,
                    const py::bytes& body, std::optional<int64_t> json_length,
                    size_t max_input_size, const py::sequence& headers) {
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
    add_headers({Protocol::kHttp, queue.forwarded_headers(), server}, headers, *request);
    return submit(queue, std::move(request), *identity);
}

// `stream`: for ModelStreamInfer, which alone may ask a decoupled model.
Pending submit_protobuf(CompletionQueue& queue, const py::bytes& message, bool stream,
                        const py::sequence& headers) {
    InferenceServer& server = *queue.server();
    BufferRef buffer = borrow_python_bytes(message);
    auto decoded = [&] {
        MaybeReleaseGil maybe(buffer->size());
        return decode_infer_protobuf(buffer, server.pool());
    }();
    DecodedGrpcInfer asked = value_or_raise(std::move(decoded));
    raise_if_error(resolve_label(server, asked));
    std::unique_ptr<InferenceRequest>& request = asked.request;
    add_headers({Protocol::kGrpc, queue.forwarded_headers(), server}, headers, *request);
    auto identity =
        value_or_raise(server.model_identity(request->model_name, request->model_version));
    if (identity->decoupled && !stream) {
        raise_status(unsupported(
            "ModelInfer RPC doesn't support models with decoupled transaction policy"));
    }
    return submit(queue, std::move(request), *identity,
                  asked.enable_empty_final_response);
}

ParameterValue parameter_value_of(py::handle value) {
    if (py::isinstance<py::bool_>(value)) {
        return value.cast<bool>();
    }
    if (py::isinstance<py::int_>(value)) {
        int overflow = 0;
        int64_t number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
        return overflow > 0 ? ParameterValue(value.cast<uint64_t>()) : ParameterValue(number);
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
                       std::vector<std::string> outputs, const py::dict& parameters,
                       const py::sequence& headers) {
    auto identity = value_or_raise(queue.server()->model_identity(model, version));
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
    add_headers({Protocol::kHttp, nullptr, *queue.server()}, headers, *request);
    return submit(queue, std::move(request), *identity);
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

size_t output_bytes(const InferenceResponse& response) {
    size_t bytes = 0;
    for (const Tensor& tensor : response.outputs) {
        bytes += tensor.data.size();
    }
    return bytes;
}

// Encodes a final, successful response with one of the codecs of wire/.
void encode(const PendingResponse& self,
            Status (*encoder)(const InferenceResponse& response, EncodedBody& body),
            EncodedBody& body) {
    const InferenceResponse& response = self.response();
    raise_if_error(response.status);
    if (response.request == nullptr) {
        raise_status(internal_error("expected a final response"));
    }
    Status status = [&] {
        MaybeReleaseGil maybe(output_bytes(response));
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

// Of any response: one that failed says so itself.
py::bytes encode_stream_protobuf(const PendingResponse& self) {
    EncodedBody body;
    const InferenceResponse& response = self.response();
    Status status = [&] {
        MaybeReleaseGil maybe(output_bytes(response));
        return encode_stream_infer_protobuf(response, self.completion.call->request_id, body);
    }();
    raise_if_error(status);
    return joined(body);
}

// Whether it only says that a decoupled model has answered its last.
bool is_empty_final(const PendingResponse& self) {
    const InferenceResponse& response = self.response();
    return self.completion.call->decoupled && response.final && response.status.ok() &&
           response.outputs.empty();
}

py::list outputs_of(const PendingResponse& self) {
    raise_if_error(self.response().status);
    py::list views;
    for (const Tensor& tensor : self.response().outputs) {
        views.append(TensorView{self.server, tensor});
    }
    return views;
}

py::dict parameters_of(const PendingResponse& self) {
    py::dict parameters;
    for (const Parameter& parameter : self.response().parameters) {
        parameters[py::str(parameter.name)] = py::cast(parameter.value);
    }
    return parameters;
}

const ModelIdentity& model_of(const PendingResponse& self) {
    raise_if_error(self.response().status);
    return *self.response().model;
}

py::list drain(CompletionQueue& queue) {
    py::list drained;
    for (Completion& completion : queue.drain()) {
        uint64_t tag = completion.call->tag();
        drained.append(
            py::make_tuple(tag, std::make_unique<PendingResponse>(
                                    PendingResponse{queue.server(), std::move(completion)})));
    }
    return drained;
}

std::unique_ptr<CompletionQueue, CloseWithoutGil> make_queue(
    std::shared_ptr<InferenceServer> server, const std::string& forward_pattern,
    bool ignore_case) {
    using Case = HeaderPattern::Case;
    auto pattern = value_or_raise(
        HeaderPattern::make(forward_pattern, ignore_case ? Case::kIgnored : Case::kMinded));
    auto queue = std::make_unique<CompletionQueue>(std::move(server), std::move(pattern));
    return std::unique_ptr<CompletionQueue, CloseWithoutGil>(queue.release());
}

// Whether a text is JSON within the bounds of wire/, which reads the NaN of Python clients too.
void check_json(const py::bytes& text) {
    BufferRef buffer = borrow_python_bytes(text);
    Status status = [&] {
        MaybeReleaseGil maybe(buffer->size());
        return JsonDocument().parse(
            {reinterpret_cast<const char*>(buffer->data()), buffer->size()});
    }();
    raise_if_error(status);
}

}  // namespace

void bind_inference(py::module_& module) {
    py::class_<CompletionCall, Pending>(module, "Pending")
        .def_property_readonly("tag", &CompletionCall::tag)
        .def_readonly("decoupled", &CompletionCall::decoupled)
        .def_readonly("wants_empty_final", &CompletionCall::wants_empty_final)
        .def("cancel", [](const CompletionCall& call) {
            call.cancellation->requested.store(true, std::memory_order_relaxed);
        });

    py::class_<PendingResponse>(module, "Response")
        .def("encode_json", &encode_json)
        .def("encode_protobuf", &encode_protobuf)
        .def("encode_stream_protobuf", &encode_stream_protobuf)
        .def_property_readonly("final",
                               [](const PendingResponse& self) { return self.response().final; })
        .def_property_readonly("is_empty_final", &is_empty_final)
        .def("raise_if_failed",
             [](const PendingResponse& self) { raise_if_error(self.response().status); })
        .def_property_readonly("model_name",
                               [](const PendingResponse& self) { return model_of(self).name; })
        .def_property_readonly("model_version",
                               [](const PendingResponse& self) { return model_of(self).version; })
        .def("parameters", &parameters_of)
        .def("outputs", &outputs_of);

    py::class_<CompletionQueue, std::unique_ptr<CompletionQueue, CloseWithoutGil>>(
        module, "CompletionQueue")
        .def(py::init(&make_queue), py::arg("server"), py::arg("forward_pattern"),
             py::arg("ignore_case"))
        .def_property_readonly("wants_headers",
                               [](const CompletionQueue& queue) {
                                   return ClientHeaderReader(Protocol::kGrpc,
                                                             queue.forwarded_headers(),
                                                             *queue.server())
                                       .wants_any();
                               })
        .def("fileno", &CompletionQueue::event_descriptor)
        .def("drain", &drain)
        .def("close", &CompletionQueue::close, py::call_guard<py::gil_scoped_release>())
        .def("submit_json", &submit_json, py::arg("model"), py::arg("version"), py::arg("body"),
             py::arg("json_length"), py::arg("max_input_size"), py::arg("headers"))
        .def("submit_protobuf", &submit_protobuf, py::arg("message"), py::arg("stream"),
             py::arg("headers"))
        .def("submit_tensors", &submit_tensors, py::arg("model"), py::arg("version"),
             py::arg("request_id"), py::arg("inputs"), py::arg("outputs"), py::arg("parameters"),
             py::arg("headers"));

    module.def("encode_error_json",
               [](const std::string& text) { return py::bytes(encode_error_json(text)); },
               py::arg("text"));
    module.def("check_json", &check_json, py::arg("text"));
    module.def(
        "parse_json_length",
        [](const std::string& header) { return value_or_raise(parse_json_length(header)); },
        py::arg("header"));
}

}  // namespace tritonpy
