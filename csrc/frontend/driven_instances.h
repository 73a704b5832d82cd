// The instances that one io thread drives as their guest: it has started a batch on each, and waits
// for the answer among its sockets.
//
// Threads: confined(io), but hand_back_all. Borrows: the loop, the instances.
// Invariants: 1. an instance is watched from watch until it was finished or handed back.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "frontend/event_loop.h"
#include "model/instance_guest.h"

namespace tritonpy {

class DrivenInstances final : public InstanceHost {
  public:
    explicit DrivenInstances(EventLoop& loop) : loop_(loop) {}
    // REQUIRES: none is left.
    ~DrivenInstances() override;
    DrivenInstances(const DrivenInstances&) = delete;
    DrivenInstances& operator=(const DrivenInstances&) = delete;

    bool watch(DrivenInstance& instance) override;
    // REQUIRES: the loop has ended.
    void hand_back_all();

  private:
    // One of them, or room for one.
    struct Seat final : Watcher {
        explicit Seat(DrivenInstances& its_owner) : owner(its_owner) {}
        void on_events(uint32_t events) override;
        DrivenInstances& owner;
        DrivenInstance* instance = nullptr;
    };

    Seat& free_seat();
    // Watches the seat's instance no more.
    DrivenInstance& vacate(Seat& seat);

    EventLoop& loop_;
    std::vector<std::unique_ptr<Seat>> seats_;
};

}  // namespace tritonpy
