// A launcher whose workers are scripts on threads of the test.
//
// Threads: thread-safe. Owns: the threads, and the workers that run on them.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backend/worker_launcher.h"
#include "base/check.h"
#include "support/fake_worker.h"

namespace tritonpy {

// Each launch runs the next script (the last one again and again) as a worker; a script that is a
// Status is a launch that fails. A script that returns has exited.
class FakeLauncher final : public WorkerLauncher {
  public:
    using Script = std::function<void(FakeWorker& worker)>;

    void add(Script script) { scripts_.push_back({std::move(script), Status()}); }
    void add_failure(Status status) { scripts_.push_back({nullptr, std::move(status)}); }

    ~FakeLauncher() override { TRITONPY_CHECK(alive_.empty()); }

    Result<LaunchedWorker> launch(const std::string& spec, const InstanceSpec&) override {
        std::lock_guard lock(mutex_);
        last_spec_ = spec;
        ++launches_;
        changed_.notify_all();
        Step step = scripts_.at(std::min(launches_, scripts_.size()) - 1);
        if (!step.status.ok()) {
            return step.status;
        }
        int execute[2];
        int calls[2];
        TRITONPY_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, execute) == 0);
        TRITONPY_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, calls) == 0);
        int inputs = memfd_create("inputs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int outputs = memfd_create("outputs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int pid = ++last_pid_;
        auto worker = std::make_shared<FakeWorker>(execute[1], calls[1], dup(inputs),
                                                   dup(outputs));
        Process process{worker, dup(execute[1]), dup(calls[1]), {}};
        process.thread = std::thread([worker, script = step.script] {
            script(*worker);
            worker->execute_stream().shut_down();
            worker->calls_stream().shut_down();
        });
        alive_.emplace(pid, std::move(process));
        return LaunchedWorker{execute[0], execute[0], calls[0], calls[0], inputs, outputs, pid};
    }
    void kill(int pid) override {
        std::lock_guard lock(mutex_);
        ++kills_;
        shutdown(alive_.at(pid).execute, SHUT_RDWR);
        shutdown(alive_.at(pid).calls, SHUT_RDWR);
        changed_.notify_all();
    }
    std::string ended(int pid) override {
        std::unique_lock lock(mutex_);
        Process process = std::move(alive_.at(pid));
        alive_.erase(pid);
        lock.unlock();
        process.thread.join();
        ::close(process.execute);
        ::close(process.calls);
        return "exited with code 0";
    }

    void health_changed() override {
        std::lock_guard lock(mutex_);
        ++health_changes_;
        changed_.notify_all();
    }

    void wait_for_health_changes(size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return health_changes_ >= count; });
    }
    void wait_for_launches(size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return launches_ >= count; });
    }
    size_t launches() const { return with_lock(launches_); }
    size_t kills() const { return with_lock(kills_); }
    size_t alive() const {
        std::lock_guard lock(mutex_);
        return alive_.size();
    }
    std::string last_spec() const { return with_lock(last_spec_); }

  private:
    struct Step {
        Script script;
        Status status;
    };
    struct Process {
        std::shared_ptr<FakeWorker> worker;
        int execute = -1;
        int calls = -1;
        std::thread thread;
    };
    template <typename T>
    T with_lock(const T& value) const {
        std::lock_guard lock(mutex_);
        return value;
    }

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::vector<Step> scripts_;
    std::map<int, Process> alive_;
    size_t launches_ = 0;
    size_t kills_ = 0;
    size_t health_changes_ = 0;
    int last_pid_ = 1000000;
    std::string last_spec_;
};

}  // namespace tritonpy
