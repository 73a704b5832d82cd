// The instances of a model, which may come and go while it serves.
//
// Who asks how they are (a request that comes in, the readiness call, an ill instance) looks under
// a shared lock. Instances are made, ended and freed outside of it: that takes as long as a model
// takes.
//
// Threads: thread-safe, but add, take_out and all: one loader at a time.
// Owns: the instances.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <vector>

#include "base/status.h"
#include "model/model_instance.h"

namespace tritonpy {

class InstanceSet {
  public:
    void add(std::vector<std::unique_ptr<ModelInstance>> instances);
    // Gives up `leaving`, which are in it.
    std::vector<std::unique_ptr<ModelInstance>> take_out(
        const std::vector<const ModelInstance*>& leaving);
    // REQUIRES: nobody adds or takes out as long as it is looked at.
    std::span<const std::unique_ptr<ModelInstance>> all() const { return instances_; }

    // Takes the seat of one whose thread sleeps. Null: there is none; `all_driven` says whether
    // that is because all of them have guests, who call their threads when they leave.
    ModelInstance* take_seat(bool& all_driven) const;

    bool any_healthy() const;
    bool any_hopeful() const;
    // OK when every instance can run; unavailable, naming one that cannot.
    Status check_ready() const;

  private:
    mutable std::shared_mutex mutex_;  // guards what follows; held by a loader only to change it
    std::vector<std::unique_ptr<ModelInstance>> instances_;
};

}  // namespace tritonpy
