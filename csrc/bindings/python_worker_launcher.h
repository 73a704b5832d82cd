// Starts workers through a Python object with the methods launch, ended and health_changed.
//
// Threads: thread-safe; takes the GIL for each call, which are rare.
// Owns: a reference on the Python object; to be freed by a thread that holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

#include "backend/worker_launcher.h"

namespace tritonpy {

class PythonWorkerLauncher final : public WorkerLauncher {
  public:
    explicit PythonWorkerLauncher(pybind11::object workers) : workers_(std::move(workers)) {}

    // workers.launch(spec, instance_name, kind, device_id) -> (execute_fd, executed_fd, answers_fd,
    // calls_fd, inputs_fd, outputs_fd, pid). internal, with the exception's text, when it raises.
    Result<LaunchedWorker> launch(const std::string& spec, const InstanceSpec& instance) override;
    void kill(int pid) override;
    // workers.ended(pid) -> str.
    std::string ended(int pid) override;
    // workers.health_changed().
    void health_changed() override;

  private:
    const pybind11::object workers_;
};

}  // namespace tritonpy
