// A named thread that its owner's destructor joins.
//
// Threads: compatible. Owns: the running thread.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace tritonpy {

class Thread {
  public:
    // Starts `body` at once. The name shows in `top -H` and debuggers, cut to 15 characters.
    Thread(const std::string& name, std::function<void()> body);
    // Blocks until `body` has returned; whoever owns the thread tells it to stop first.
    ~Thread();
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

  private:
    std::thread thread_;
};

}  // namespace tritonpy
