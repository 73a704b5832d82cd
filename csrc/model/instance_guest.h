// How an io thread serves an instance without a thread of the instance in between.
//
// An io thread that has brought requests to a model whose instance sleeps starts their batch itself
// (InstanceSeat), and goes back to its sockets. Its loop watches the descriptor on which the model
// will answer, as it watches those, and when the answer is there, the io thread hands it over.
//
// Threads: a driven instance is confined to the host's thread; what else may happen to it is in
// instance_seat.h.
#pragma once

namespace tritonpy {

// An instance that runs a batch which its guest has started.
class DrivenInstance {
  public:
    virtual ~DrivenInstance() = default;
    // Readable when receive is due.
    virtual int answer_descriptor() const = 0;
    // Reads what is there. Whether it is all that there will be: then finish is next, with the
    // descriptor not watched any more.
    virtual bool receive() = 0;
    // Answers the batch and leaves the instance, which may be gone after that. The requests that
    // its answers make (steps of ensembles) join the burst that is on.
    virtual void finish() = 0;
    // The instance's thread finishes. REQUIRES and leaves as finish, but at any time.
    virtual void hand_back() = 0;
};

// Who watches driven instances.
class InstanceHost {
  public:
    virtual ~InstanceHost() = default;
    // Calls receive and finish in due course, or hand_back. False: it cannot; nothing was done.
    virtual bool watch(DrivenInstance& instance) = 0;
};

}  // namespace tritonpy
