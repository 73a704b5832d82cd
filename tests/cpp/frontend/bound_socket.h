// A listening socket on a free port of this machine, and clients of it.
//
// Threads: thread-safe, but release. Owns: the socket, until it is released.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace tritonpy {

class BoundSocket {
  public:
    BoundSocket() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address_);
        auto* generic = reinterpret_cast<sockaddr*>(&address_);
        TRITONPY_CHECK(::bind(descriptor_, generic, size) == 0 &&
                       ::listen(descriptor_, 1024) == 0 &&
                       ::getsockname(descriptor_, generic, &size) == 0);
    }
    ~BoundSocket() {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
    }
    BoundSocket(const BoundSocket&) = delete;
    BoundSocket& operator=(const BoundSocket&) = delete;

    // The descriptor, for whoever takes it.
    int release() { return std::exchange(descriptor_, -1); }

    // A client's socket; -1 when nobody listens any more.
    int try_connect() const {
        int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        TRITONPY_CHECK(client >= 0);
        const auto* generic = reinterpret_cast<const sockaddr*>(&address_);
        if (::connect(client, generic, sizeof(address_)) != 0) {
            ::close(client);
            return -1;
        }
        return client;
    }
    int connect() const {
        int client = try_connect();
        TRITONPY_CHECK(client >= 0);
        return client;
    }

  private:
    int descriptor_;
    sockaddr_in address_{};
};

}  // namespace tritonpy
