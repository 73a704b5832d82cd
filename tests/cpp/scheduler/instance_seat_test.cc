// Goal: an instance has one driver at a time; a guest finds it only while its thread sleeps, may
// leave to the thread what it likes, and costs nobody a wake-up.
// Method: by hand; then an instance's thread over a real scheduler with guests on other threads,
// who share what they may share only if the seat keeps them apart (for the thread sanitizer to
// watch). A lost wake-up hangs the test.
#include "scheduler/instance_seat.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "scheduler/batcher_stepper.h"
#include "scheduler/dynamic_batcher.h"
#include "scheduler/pull_loop.h"

namespace tritonpy {
namespace {

using Driver = InstanceSeat::Driver;

void enter(InstanceSeat& seat) {
    while (seat.try_take(false) != Driver::kNobody) {
        std::this_thread::yield();
    }
}

TEST(InstanceSeat, is_the_owners_until_it_leaves_and_then_one_guests) {
    InstanceSeat seat;
    Parking parking;
    EXPECT_EQ(seat.try_take(false), Driver::kOwner);
    seat.leave(parking);
    EXPECT_EQ(seat.try_take(false), Driver::kNobody);
    EXPECT_EQ(seat.try_take(false), Driver::kGuest);
}

TEST(InstanceSeat, a_guest_leaves_it_empty_or_to_the_owner_if_somebody_came) {
    InstanceSeat seat;
    Parking parking;
    seat.leave(parking);
    enter(seat);
    EXPECT_EQ(seat.try_take(false), Driver::kGuest);  // which only looks
    seat.give_up();
    EXPECT_EQ(seat.try_take(true), Driver::kNobody);
    EXPECT_EQ(seat.try_take(true), Driver::kGuest);
    seat.give_up();
    EXPECT_EQ(seat.try_take(false), Driver::kOwner);  // which is on its way
    const std::optional<Pull> told = seat.take_back();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->kind, Pull::Kind::kIdle);
}

// An instance's thread that finds nothing, however often it looks.
class Sleeper {
  public:
    Sleeper(InstanceSeat& seat, Parking& parking)
        : thread_([this, &seat, &parking] {
              pull_ = pull_when_due(parking, &seat, {}, [this] {
                  ++looks_;
                  return is_stopped_ ? Pull{.kind = Pull::Kind::kStopped} : Pull{};
              });
          }) {}

    int looks() const { return looks_; }
    Pull::Kind wait_for_end() {
        thread_.join();
        return pull_.kind;
    }
    Pull::Kind stop(Parking& parking) {
        is_stopped_ = true;
        parking.notify_all();
        return wait_for_end();
    }

  private:
    Pull pull_;
    std::atomic<int> looks_{0};
    std::atomic<bool> is_stopped_{false};
    std::thread thread_;
};

TEST(InstanceSeat, what_a_guest_leaves_to_the_owner_ends_its_sleep) {
    for (const auto kind : {Pull::Kind::kBatch, Pull::Kind::kIdle, Pull::Kind::kStopped}) {
        InstanceSeat seat;
        Parking parking;
        Sleeper owner(seat, parking);
        enter(seat);
        seat.hand_back({.kind = kind});
        EXPECT_EQ(owner.wait_for_end(), kind);
    }
}

TEST(InstanceSeat, an_owner_that_wakes_while_a_guest_drives_does_not_look) {
    InstanceSeat seat;
    Parking parking;
    Sleeper owner(seat, parking);
    enter(seat);
    const int looks = owner.looks();
    std::thread stopping([&] { EXPECT_EQ(owner.stop(parking), Pull::Kind::kIdle); });
    EXPECT_EQ(owner.looks(), looks);
    seat.hand_back({});
    stopping.join();
    EXPECT_EQ(owner.looks(), looks);
}

TEST(InstanceSeat, a_wake_up_reaches_a_sibling_that_has_no_guest) {
    InstanceSeat driven;
    InstanceSeat empty;
    Parking parking;
    Sleeper owner(driven, parking);
    enter(driven);
    Sleeper sibling(empty, parking);
    enter(empty);  // it sleeps
    empty.give_up();
    const int looks = sibling.looks();
    parking.notify_one();
    while (sibling.looks() == looks) {
        std::this_thread::yield();
    }
    EXPECT_EQ(sibling.stop(parking), Pull::Kind::kStopped);
    driven.hand_back({});
    EXPECT_EQ(owner.wait_for_end(), Pull::Kind::kIdle);
}

// An instance of a scheduler, whose batch belongs to whoever has the seat.
struct Instance {
    Instance(Scheduler& its_scheduler, size_t its_number)
        : scheduler(its_scheduler), number(its_number) {}

    void run() {
        for (Pull pull; pull.kind != Pull::Kind::kStopped;) {
            pull = scheduler.pull(number, &seat, batch, dropped);
            answer_all();
        }
    }
    // As Model::wake of an io thread; `leaves` the batch to the instance's thread.
    void visit(bool leaves) {
        const Driver driver = seat.try_take(true);
        if (driver == Driver::kOwner) {
            scheduler.wake();
        }
        if (driver != Driver::kNobody) {
            return;
        }
        const Pull pull = scheduler.try_pull(number, 0, batch, dropped);
        if (pull.kind == Pull::Kind::kStopped || (leaves && pull.kind == Pull::Kind::kBatch)) {
            seat.hand_back(pull);
            return;
        }
        answer_all();
        seat.give_up();
    }
    void answer_all() {
        for (std::unique_ptr<InferenceRequest>& request : batch.requests) {
            scheduler.deliver(answer(std::move(request)));
        }
        batch.clear();
    }

    Scheduler& scheduler;
    const size_t number;
    InstanceSeat seat;
    Batch batch;
    std::vector<DroppedRequest> dropped;
};

TEST(InstanceSeat, guests_and_owners_answer_every_request_once) {
    constexpr uint64_t kGuests = 3;
    constexpr uint64_t kRequests = 2'000;
    SteadyClock clock;
    CollectingSink sink;
    DynamicBatcher batcher(default_config(), clock);
    Instance instance(batcher, 0);
    std::thread owner([&] { instance.run(); });
    std::vector<std::thread> guests;
    for (uint64_t guest = 0; guest < kGuests; ++guest) {
        guests.emplace_back([&, guest] {
            for (uint64_t number = 0; number < kRequests; ++number) {
                auto request = make_rows_request(1, &sink, guest * kRequests + number);
                bool wake_due = false;
                ASSERT_TRUE(batcher.admit(request, clock.now_ns(), wake_due).ok());
                instance.visit(number % 3 == 0);
            }
        });
    }
    for (std::thread& guest : guests) {
        guest.join();
    }
    const auto responses = sink.wait_and_take(kGuests * kRequests);
    batcher.stop();
    owner.join();
    std::vector<bool> seen(kGuests * kRequests);
    for (const auto& response : responses) {
        ASSERT_FALSE(seen.at(response->request->tag));
        seen.at(response->request->tag) = true;
    }
    EXPECT_EQ(responses.size(), seen.size());
}

}  // namespace
}  // namespace tritonpy
