#include "bindings/python_worker_launcher.h"

#include <pybind11/stl.h>
#include <signal.h>

#include <tuple>

namespace py = pybind11;

namespace tritonpy {

namespace {

// The exception's own text; what pybind11 would say has a stack trace of the host in it.
std::string text_of(const py::error_already_set& error) {
    try {
        return py::str(error.value());
    } catch (const py::error_already_set&) {
        return "the launcher of workers failed, and cannot say why";
    }
}

}  // namespace

Result<LaunchedWorker> PythonWorkerLauncher::launch(const std::string& spec,
                                                    const InstanceSpec& instance) {
    py::gil_scoped_acquire acquire;
    try {
        py::object launched = workers_.attr("launch")(spec, instance.name, instance.kind,
                                                      instance.device_id);
        auto [execute_fd, executed_fd, answers_fd, calls_fd, inputs_fd, outputs_fd, pid] =
            launched.cast<std::tuple<int, int, int, int, int, int, int>>();
        return LaunchedWorker{execute_fd, executed_fd, answers_fd, calls_fd,
                              inputs_fd,  outputs_fd,  pid};
    } catch (const py::error_already_set& error) {
        return internal_error(text_of(error));
    } catch (const py::cast_error& error) {
        return internal_error(std::string("the launcher of workers returned no worker: ") +
                              error.what());
    }
}

void PythonWorkerLauncher::kill(int pid) { ::kill(pid, SIGKILL); }

std::string PythonWorkerLauncher::ended(int pid) {
    py::gil_scoped_acquire acquire;
    try {
        return workers_.attr("ended")(pid).cast<std::string>();
    } catch (const py::error_already_set& error) {
        return text_of(error);
    } catch (const py::cast_error& error) {
        return error.what();
    }
}

void PythonWorkerLauncher::health_changed() {
    py::gil_scoped_acquire acquire;
    try {
        workers_.attr("health_changed")();
    } catch (py::error_already_set& error) {
        error.discard_as_unraisable("health_changed");
    }
}

}  // namespace tritonpy
