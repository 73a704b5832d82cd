// Who drives an instance: its own thread or, while that sleeps in pull, a guest.
//
// A guest is a thread that has brought requests and must not block. Where it finds the seat empty
// it pulls at once for the instance and sends what came on its way, which saves waking the
// instance's thread first; and it answers when the model has run, which saves that thread's way
// back. It keeps the seat for that one batch. Whatever it cannot do itself it leaves to the thread,
// which is then told what its sleep ends with.
//
// The thread, when something else wakes it while a guest drives, passes the wake-up on to a sibling
// and waits. Who finds a guest in the seat of every instance has them call their threads when they
// leave, and need not wake anybody.
//
// Threads: thread-safe; leave and take_back are for the instance's thread.
// Invariants: 1. one drives at a time, and sees what those before it did;
//             2. no wake-up is lost: what comes while a guest drives is looked after by another
//                instance or, at the latest, by this one's thread after what the guest leaves it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

#include "queue/parking.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

class InstanceSeat {
  public:
    enum class Driver : uint8_t {
        kNobody,
        kGuest,
        kOwner,  // the instance's thread
    };

    InstanceSeat() = default;
    InstanceSeat(const InstanceSeat&) = delete;
    InstanceSeat& operator=(const InstanceSeat&) = delete;

    // ---- the instance's thread, around a sleep in `parking`

    // REQUIRES: the thread looks, or waits with a ticket that it took before it last looked.
    void leave(Parking& parking);
    // Blocks while a guest drives. What the thread's pull returns now, if a guest has said that.
    std::optional<Pull> take_back();

    // ---- guests

    // kNobody: the caller is now the guest. Else who drives; if that is a guest and `calls_owner`,
    // it calls the thread when it leaves.
    Driver try_take(bool calls_owner);
    // The guest leaves, and all is done. REQUIRES: a guest drives, as the next.
    void give_up();
    // The guest leaves; the thread wakes up, and its pull returns `answer`.
    void hand_back(Pull answer);

  private:
    void call_owner(Pull answer);

    std::mutex mutex_;  // guards what follows; held over notify: the thread may end right after
    std::condition_variable guest_left_;
    Driver driver_ = Driver::kOwner;
    Parking* parking_ = nullptr;  // where the thread sleeps, unless it drives
    bool owner_wanted_ = false;   // when the guest leaves
    bool owner_waits_ = false;    // for that, and does not sleep any more
    std::optional<Pull> answer_;
};

}  // namespace tritonpy
