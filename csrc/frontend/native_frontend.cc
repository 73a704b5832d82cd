#include "frontend/native_frontend.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "backend/cpu_count.h"
#include "base/check.h"
#include "base/limits.h"
#include "frontend/grpc_protocol.h"
#include "frontend/held_bytes.h"
#include "frontend/http_protocol.h"
#include "frontend/io_thread.h"
#include "frontend/open_connections.h"
#include "frontend/server_health.h"

namespace tritonpy {

namespace {

size_t thread_count(size_t asked) {
    if (asked == 0) {
        return std::min(usable_cpu_count(), limits::kDefaultIoThreads);
    }
    return std::min(asked, limits::kMaxIoThreads);
}

// Each takes a descriptor; the models' files, Python and whatever else runs here need some, too.
size_t connection_limit(size_t asked) {
    if (asked != 0) {
        return asked;
    }
    rlimit descriptors{};
    if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur == RLIM_INFINITY) {
        return std::numeric_limits<size_t>::max();
    }
    size_t all = descriptors.rlim_cur;
    return all - std::min(limits::kKeptDescriptors, all / 2);
}

}  // namespace

struct NativeFrontend::Parts {
    Parts(FrontendOptions frontend_options, InferenceServer& inference_server,
          const Clock& borrowed_clock, Log& borrowed_log)
        : options(std::move(frontend_options)),
          server(inference_server),
          clock(borrowed_clock),
          log(borrowed_log),
          max_connections(connection_limit(options.max_connections)) {}

    FrontendOptions options;
    InferenceServer& server;
    const Clock& clock;
    Log& log;
    const size_t max_connections;
    ServerHealth health;
    HeldBytes held;
    ControlBridge bridge;
    OpenConnections open;
    std::vector<std::unique_ptr<IoThread>> threads;  // the first accepts
    std::unique_ptr<Acceptor> http;                  // null while nobody listens
    std::unique_ptr<Acceptor> grpc;
    bool stopped = false;
    bool settled = false;
};

Result<std::unique_ptr<NativeFrontend>> NativeFrontend::make(FrontendOptions options,
                                                             InferenceServer& server,
                                                             const Clock& clock, Log& log) {
    TRITONPY_CHECK(!options.http && !options.grpc);
    auto parts = std::make_unique<Parts>(std::move(options), server, clock, log);
    TRITONPY_RETURN_IF_ERROR(parts->bridge.status());
    const IoShared shared{server,        clock,        log,           parts->options,
                          parts->health, parts->held, parts->bridge, parts->open};
    for (size_t index = 0; index < thread_count(parts->options.io_threads); ++index) {
        parts->threads.push_back(std::make_unique<IoThread>(index, shared));
        TRITONPY_RETURN_IF_ERROR(parts->threads.back()->status());
    }
    for (const std::unique_ptr<IoThread>& thread : parts->threads) {
        thread->start();
    }
    return std::make_unique<NativeFrontend>(std::move(parts));
}

NativeFrontend::NativeFrontend(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

NativeFrontend::~NativeFrontend() { stop(/*wait_for_core=*/true); }

Status NativeFrontend::listen_http(HttpListenerOptions options) {
    parts_->options.http = options;
    return listen(options.descriptor, options.tls, "http/1.1", &make_http_protocol, parts_->http);
}

Status NativeFrontend::listen_grpc(GrpcListenerOptions options) {
    parts_->options.grpc = options;
    return listen(options.descriptor, options.tls, "h2", &make_grpc_protocol, parts_->grpc);
}

Status NativeFrontend::listen(int descriptor, const std::optional<TlsFiles>& tls, const char* alpn,
                              ProtocolMaker make_protocol, std::unique_ptr<Acceptor>& acceptor) {
    TRITONPY_CHECK(acceptor == nullptr && !parts_->stopped);
    std::unique_ptr<TlsContext> context;
    if (tls) {
        Result<std::unique_ptr<TlsContext>> made = TlsContext::make(*tls, alpn);
        if (!made.ok()) {
            ::close(descriptor);
            return made.status();
        }
        context = std::move(made).value();
    }
    IoThread& first = *parts_->threads.front();
    auto listener = std::make_unique<Listener>(descriptor, make_protocol, std::move(context));
    Status status;
    first.call([&] {
        auto made = std::make_unique<Acceptor>(std::move(listener), parts_->threads, first.loop(),
                                               parts_->open, parts_->max_connections, parts_->log);
        status = made->start();
        if (status.ok()) {
            acceptor = std::move(made);
        }
    });
    return status;
}

ControlBridge& NativeFrontend::bridge() { return parts_->bridge; }

void NativeFrontend::set_health(bool ready, bool exiting) {
    parts_->health.ready.store(ready, std::memory_order_relaxed);
    parts_->health.exiting.store(exiting, std::memory_order_relaxed);
}

void NativeFrontend::set_models_have_checks(bool have_checks) {
    parts_->health.models_have_checks.store(have_checks, std::memory_order_relaxed);
}

Status NativeFrontend::reload_http_tls() { return parts_->http->listener().reload_tls(); }

Status NativeFrontend::reload_grpc_tls() { return parts_->grpc->listener().reload_tls(); }

bool NativeFrontend::finish(int64_t grace_ns) {
    if (!parts_->stopped) {
        stop_accepting();
        for (const std::unique_ptr<IoThread>& thread : parts_->threads) {
            thread->finish();
        }
    }
    return parts_->open.wait_until_none(parts_->clock, parts_->clock.now_ns() + grace_ns);
}

void NativeFrontend::stop(bool wait_for_core) {
    if (!std::exchange(parts_->stopped, true)) {
        stop_accepting();
        parts_->bridge.close();
        for (const std::unique_ptr<IoThread>& thread : parts_->threads) {
            thread->stop();
        }
        for (const std::unique_ptr<IoThread>& thread : parts_->threads) {
            thread->join();
        }
    }
    if (wait_for_core && !std::exchange(parts_->settled, true)) {
        for (const std::unique_ptr<IoThread>& thread : parts_->threads) {
            thread->settle();
        }
    }
}

// On the thread that accepts, so that what it has handed out until then is on its way before what
// the other threads are told next.
void NativeFrontend::stop_accepting() {
    parts_->threads.front()->call([this] {
        for (Acceptor* acceptor : {parts_->http.get(), parts_->grpc.get()}) {
            if (acceptor != nullptr) {
                acceptor->stop();
            }
        }
    });
}

size_t NativeFrontend::open_connections() const { return parts_->open.now(); }

size_t NativeFrontend::held_bytes() const { return parts_->held.now(); }

}  // namespace tritonpy
