// Answers the requests of one model that time out in its queue or whose clients have gone, on time,
// whatever its instances do.
//
// Instances look at the queue between two batches; while all of them run, nobody would. So a model
// whose queue has policies has one thread that sleeps until the next look is due. Each has its own,
// and there is not one for all: it costs what one more instance would, and begins and ends with its
// queue, where a common one would need a register of queues that come and go.
//
// Threads: confined: its own thread after start(), else whoever steps it.
// Owns: the thread.
#pragma once

#include <optional>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "model/dropped_requests.h"

namespace tritonpy {

class QueueWatch {
  public:
    explicit QueueWatch(const DropContext& context) : context_(context) {}
    // As join.
    ~QueueWatch() = default;
    QueueWatch(const QueueWatch&) = delete;
    QueueWatch& operator=(const QueueWatch&) = delete;

    // Starts the thread, which ends when the scheduler is stopped and empty. internal when the
    // machine gives no thread.
    Status start();
    // Blocks until it has ended. REQUIRES: the scheduler was stopped.
    void join() { thread_.reset(); }

    // Answers what is due by now. Returns what the scheduler said. REQUIRES: not started.
    Pull step();

  private:
    void loop();

    const DropContext context_;
    std::vector<DroppedRequest> dropped_;
    std::optional<Thread> thread_;  // last, so that it is joined before what it uses goes
};

}  // namespace tritonpy
