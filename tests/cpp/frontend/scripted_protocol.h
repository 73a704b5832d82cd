// A protocol that records what it hears and does what a test tells it to.
//
// Threads: compatible. Owns: nothing; the record outlives the protocol.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "frontend/connection.h"

namespace tritonpy {

// What a protocol has heard, and what it is to do then.
struct ProtocolRecord {
    std::string received;
    size_t reads = 0;
    size_t ends = 0;
    size_t produces = 0;
    size_t timeouts = 0;
    size_t shutdowns = 0;
    size_t closes = 0;
    size_t frees = 0;
    std::span<std::byte> read_space;  // where the next reads go; shrinks as they come
    bool heard_after_close = false;

    std::function<void(std::string_view)> on_bytes;
    std::function<void()> on_end;
    std::function<void()> on_produce;
    std::function<void()> on_timeout;
    std::function<void()> on_shutdown;
    std::function<void()> on_closed;
};

class ScriptedProtocol final : public Protocol {
  public:
    explicit ScriptedProtocol(ProtocolRecord& record) : record_(record) {}
    ~ScriptedProtocol() override { ++record_.frees; }

    std::span<std::byte> read_space() override {
        hear();
        return record_.read_space;
    }
    void on_bytes(std::span<const std::byte> bytes) override {
        hear();
        ++record_.reads;
        const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        record_.received += text;
        if (bytes.data() == record_.read_space.data()) {
            record_.read_space = record_.read_space.subspan(bytes.size());
        }
        if (record_.on_bytes) {
            record_.on_bytes(text);
        }
    }
    void on_end_of_input() override { hear(record_.ends, record_.on_end); }
    void produce() override { hear(record_.produces, record_.on_produce); }
    void on_timeout() override { hear(record_.timeouts, record_.on_timeout); }
    void on_shutdown() override { hear(record_.shutdowns, record_.on_shutdown); }
    void on_closed() override { hear(record_.closes, record_.on_closed); }

  private:
    void hear() { record_.heard_after_close |= record_.closes > 0; }
    void hear(size_t& count, const std::function<void()>& then) {
        hear();
        ++count;
        if (then) {
            then();
        }
    }

    ProtocolRecord& record_;
};

}  // namespace tritonpy
