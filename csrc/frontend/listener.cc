#include "frontend/listener.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"

namespace tritonpy {

Listener::Listener(int descriptor, ProtocolMaker maker, std::unique_ptr<TlsContext> tls)
    : descriptor_(descriptor), maker_(maker), tls_(std::move(tls)) {
    // A client that leaves between epoll and accept would block the loop otherwise.
    ::fcntl(descriptor_, F_SETFL, ::fcntl(descriptor_, F_GETFL) | O_NONBLOCK);
}

Listener::~Listener() { close(); }

void Listener::close() {
    if (int descriptor = std::exchange(descriptor_, -1); descriptor >= 0) {
        ::close(descriptor);
    }
}

Result<std::unique_ptr<Transport>> Listener::make_transport(int descriptor) const {
    if (tls_ != nullptr) {
        return tls_->make_transport(descriptor);
    }
    return make_plain_transport(descriptor);
}

Status Listener::reload_tls() {
    TRITONPY_CHECK(tls_ != nullptr);
    return tls_->reload();
}

}  // namespace tritonpy
