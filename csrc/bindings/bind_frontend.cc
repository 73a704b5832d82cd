#include "bindings/bind_frontend.h"

#include <pybind11/stl.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "bindings/python_status.h"
#include "bindings/read_frontend_options.h"
#include "frontend/native_frontend.h"
#include "server/inference_server.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

// Server and log are shared because the front end uses them; they stand first so that they go last.
struct Frontend {
    std::shared_ptr<Log> log;
    std::shared_ptr<InferenceServer> server;
    SteadyClock clock;
    std::unique_ptr<NativeFrontend> native;
};

// Stopping joins the io threads and waits for the core: not under the GIL.
struct StopWithoutGil {
    void operator()(Frontend* frontend) const {
        std::unique_ptr<Frontend> owned(frontend);
        py::gil_scoped_release release;
        owned->native.reset();
    }
};
using FrontendHolder = std::unique_ptr<Frontend, StopWithoutGil>;

FrontendHolder make_frontend(const std::shared_ptr<InferenceServer>& server,
                             const std::shared_ptr<Log>& log, py::handle options) {
    FrontendOptions read = read_connection_options(options);
    FrontendHolder frontend(std::make_unique<Frontend>().release());
    frontend->server = server;
    frontend->log = log;
    frontend->native = value_or_raise(
        NativeFrontend::make(std::move(read), *server, frontend->clock, *log));
    return frontend;
}

void listen_http(Frontend& frontend, py::handle options, int descriptor) {
    HttpListenerOptions read = read_http_options(options, descriptor);
    Status status = [&] {
        py::gil_scoped_release release;
        return frontend.native->listen_http(std::move(read));
    }();
    raise_if_error(status);
}

void listen_grpc(Frontend& frontend, py::handle options, int descriptor) {
    GrpcListenerOptions read = read_grpc_options(options, descriptor);
    Status status = [&] {
        py::gil_scoped_release release;
        return frontend.native->listen_grpc(std::move(read));
    }();
    raise_if_error(status);
}

// `reload` is one of NativeFrontend's.
void reload_tls(Frontend& frontend, Status (NativeFrontend::*reload)()) {
    Status status = [&] {
        py::gil_scoped_release release;
        return (frontend.native.get()->*reload)();
    }();
    raise_if_error(status);
}

bool finish(Frontend& frontend, double grace_s) {
    return frontend.native->finish(static_cast<int64_t>(grace_s * 1e9));
}

py::bytes bytes_of(const std::string& text) { return py::bytes(text); }

py::bytes bytes_of(const BufferRef& buffer) {
    if (!buffer) {
        return {};
    }
    return py::bytes(reinterpret_cast<const char*>(buffer->data()), buffer->size());
}

// ISO 8859-1, which every byte is.
py::str text_of(const std::string& bytes) {
    auto text = py::reinterpret_steal<py::str>(PyUnicode_DecodeLatin1(
        bytes.data(), static_cast<Py_ssize_t>(bytes.size()), nullptr));
    if (!text) {
        throw py::error_already_set();
    }
    return text;
}

py::tuple tuple_of(const ControlEvent& event) {
    py::list headers;
    for (const auto& [name, value] : event.headers) {
        headers.append(py::make_tuple(bytes_of(name), bytes_of(value)));
    }
    return py::make_tuple(static_cast<int>(event.kind), event.call_id, text_of(event.method),
                          bytes_of(event.target), headers, bytes_of(event.body),
                          event.minor_version, event.chunks);
}

py::list take_events(Frontend& frontend) {
    py::list events;
    for (const ControlEvent& event : frontend.native->bridge().take_events()) {
        events.append(tuple_of(event));
    }
    return events;
}

void answer_head(Frontend& frontend, uint64_t call_id, int status, ControlHeaders headers) {
    frontend.native->bridge().answer(
        {ControlAnswer::Kind::kHead, call_id, status, std::move(headers), {}});
}

void answer_piece(Frontend& frontend, uint64_t call_id, const py::bytes& data) {
    frontend.native->bridge().answer({ControlAnswer::Kind::kPiece, call_id, 0, {}, data});
}

void answer_end(Frontend& frontend, uint64_t call_id, int status, const py::bytes& data) {
    frontend.native->bridge().answer({ControlAnswer::Kind::kEnd, call_id, status, {}, data});
}

}  // namespace

void bind_frontend(py::module_& module) {
    py::class_<Frontend, FrontendHolder>(module, "Frontend")
        .def(py::init(&make_frontend), py::arg("server"), py::arg("log"), py::arg("options"))
        .def("listen_http", &listen_http, py::arg("options"), py::arg("descriptor"))
        .def("listen_grpc", &listen_grpc, py::arg("options"), py::arg("descriptor"))
        .def("set_health",
             [](Frontend& frontend, bool ready, bool exiting) {
                 frontend.native->set_health(ready, exiting);
             },
             py::arg("ready"), py::arg("exiting"))
        .def("set_models_have_checks",
             [](Frontend& frontend, bool have_checks) {
                 frontend.native->set_models_have_checks(have_checks);
             },
             py::arg("have_checks"))
        .def("reload_http_tls",
             [](Frontend& frontend) { reload_tls(frontend, &NativeFrontend::reload_http_tls); })
        .def("reload_grpc_tls",
             [](Frontend& frontend) { reload_tls(frontend, &NativeFrontend::reload_grpc_tls); })
        .def("finish", &finish, py::arg("grace_s"), py::call_guard<py::gil_scoped_release>())
        .def("stop",
             [](Frontend& frontend, bool wait_for_core) { frontend.native->stop(wait_for_core); },
             py::arg("wait_for_core"), py::call_guard<py::gil_scoped_release>())
        .def("open_connections",
             [](const Frontend& frontend) { return frontend.native->open_connections(); })
        .def("held_bytes", [](const Frontend& frontend) { return frontend.native->held_bytes(); })
        .def("fileno",
             [](Frontend& frontend) { return frontend.native->bridge().descriptor(); })
        .def("take_events", &take_events)
        .def("answer_head", &answer_head, py::arg("call_id"), py::arg("status"),
             py::arg("headers"))
        .def("answer_piece", &answer_piece, py::arg("call_id"), py::arg("data"))
        .def("answer_end", &answer_end, py::arg("call_id"), py::arg("status"), py::arg("data"));
}

}  // namespace tritonpy
