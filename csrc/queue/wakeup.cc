#include "queue/wakeup.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace tritonpy {

Wakeup::Signal::Signal() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Wakeup::Signal::~Signal() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

// The count cannot overflow in practice (2^64 signals without an acknowledge), so neither fails.
void Wakeup::Signal::send() const { eventfd_write(descriptor_, 1); }

void Wakeup::acknowledge() const {
    eventfd_t count = 0;
    eventfd_read(descriptor(), &count);
}

}  // namespace tritonpy
