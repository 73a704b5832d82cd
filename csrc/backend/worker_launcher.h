// How a worker process is started and buried: what only the control plane knows.
//
// Threads: thread-safe. Each worker is launched and ended on the one thread that keeps it, and
// which lives as long as the worker does.
#pragma once

#include <string>

#include "backend/executor.h"
#include "base/result.h"

namespace tritonpy {

// The server's ends of a worker that is ready to execute.
struct LaunchedWorker {
    int execute_fd = -1;   // a pipe to write to
    int executed_fd = -1;  // and one to read from; or both the same stream socket
    int answers_fd = -1;   // the same for calls: to write to
    int calls_fd = -1;     // and to read from
    int inputs_fd = -1;    // memfds, see SharedArena and SharedArenaView
    int outputs_fd = -1;
    int pid = 0;
};

class WorkerLauncher {
  public:
    virtual ~WorkerLauncher() = default;
    // Starts a worker for `instance` and waits until its model is initialised. The descriptors
    // become the caller's. `spec` is ExecutorConfig::worker. Blocks; the Status says why the model
    // could not be initialised.
    virtual Result<LaunchedWorker> launch(const std::string& spec,
                                          const InstanceSpec& instance) = 0;
    // Ends the process at once; it was not reaped yet. Does not block.
    virtual void kill(int pid) = 0;
    // Waits until the process has ended, kills it when that takes too long, reaps it, and says how
    // it ended. Blocks. Comes once for each launch that succeeded.
    virtual std::string ended(int pid) = 0;
    // A worker has fallen out, or one that had is back: what Executor::healthy says has changed.
    virtual void health_changed() = 0;
};

}  // namespace tritonpy
