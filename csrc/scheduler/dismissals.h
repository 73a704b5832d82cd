// Instances that were dismissed from a scheduler that goes on, and have not heard of it yet.
//
// Threads: compatible.
#pragma once

#include <cstddef>
#include <vector>

namespace tritonpy {

class Dismissals {
  public:
    void add(size_t instance) { instances_.push_back(instance); }
    // Whether the instance is dismissed: true once, for it never asks again.
    bool take(size_t instance) { return std::erase(instances_, instance) > 0; }

  private:
    std::vector<size_t> instances_;
};

}  // namespace tritonpy
