#include "base/thread.h"

#include <pthread.h>

#include <utility>

namespace tritonpy {

Thread::Thread(const std::string& name, std::function<void()> body) : thread_(std::move(body)) {
    constexpr size_t kMaxNameLength = 15;  // the kernel's limit, without the final zero
    pthread_setname_np(thread_.native_handle(), name.substr(0, kMaxNameLength).c_str());
}

Thread::~Thread() { thread_.join(); }

}  // namespace tritonpy
