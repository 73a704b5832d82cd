#include "frontend/io_thread.h"

#include <latch>
#include <string>
#include <utility>
#include <vector>

namespace tritonpy {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

IoThread::IoThread(size_t index, const IoShared& shared)
    : index_(index),
      log_(shared.log),
      timeouts_{shared.options.idle_timeout_ms * kNsPerMs,
                shared.options.request_timeout_ms * kNsPerMs},
      open_(shared.open),
      loop_(shared.clock),
      infer_calls_(loop_, shared.server),
      control_calls_(loop_, shared.bridge, index),
      context_{loop_,         infer_calls_,   control_calls_, shared.held,
               shared.health, shared.options, shared.log} {}

IoThread::~IoThread() = default;

void IoThread::start() {
    thread_.emplace("io-" + std::to_string(index_), [this] { loop_.run(); });
}

void IoThread::call(const std::function<void()>& task) {
    std::latch done(1);
    loop_.post([&] {
        task();
        done.count_down();
    });
    done.wait();
}

void IoThread::open(int descriptor, const Listener& listener) {
    count_.fetch_add(1, std::memory_order_relaxed);
    open_.add();
    loop_.post([this, descriptor, &listener] { open_now(descriptor, listener); });
}

void IoThread::open_now(int descriptor, const Listener& listener) {
    Result<std::unique_ptr<Transport>> transport = listener.make_transport(descriptor);
    Status status = transport.status();
    if (status.ok()) {
        auto connection = std::make_unique<Connection>(loop_, std::move(transport).value(), *this,
                                                       timeouts_);
        status = connection->start(listener.make_protocol(context_, *connection));
        if (status.ok()) {
            Connection* key = connection.get();
            connections_.emplace(key, std::move(connection));
            return;
        }
    }
    count_.fetch_sub(1, std::memory_order_relaxed);
    open_.remove();
    TRITONPY_LOG(log_, LogLevel::kWarning,
                 "dropped a new connection: " + std::string(status.message()));
}

void IoThread::finish() {
    loop_.post([this] {
        for_each_open([](Connection& connection) {
            if (connection.protocol_hears()) {
                connection.protocol().on_shutdown();
            }
        });
    });
}

void IoThread::stop() {
    loop_.post([this] {
        for_each_open([](Connection& connection) {
            if (connection.protocol_hears()) {
                connection.protocol().on_cut_off();
                connection.request_flush();
            }
        });
        // In a turn of its own: this one writes the last words when it ends.
        loop_.post([this] {
            for_each_open([](Connection& connection) { connection.close_now(); });
            loop_.stop();
        });
    });
}

void IoThread::join() {
    thread_.reset();
    infer_calls_.hand_back_all();
}

void IoThread::settle() {
    infer_calls_.close_and_wait();
    infer_calls_.drain();
}

void IoThread::on_connection_closed(Connection& connection) {
    auto found = connections_.extract(&connection);
    loop_.discard(std::move(found.mapped()));
    count_.fetch_sub(1, std::memory_order_relaxed);
    open_.remove();
}

void IoThread::for_each_open(const std::function<void(Connection&)>& act) {
    std::vector<Connection*> open;
    open.reserve(connections_.size());
    for (const auto& [connection, owned] : connections_) {
        open.push_back(connection);
    }
    for (Connection* connection : open) {  // closed ones are freed when the turn ends
        if (!connection->closed()) {
            act(*connection);
        }
    }
}

}  // namespace tritonpy
