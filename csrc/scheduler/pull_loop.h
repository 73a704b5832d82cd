// How a thread sleeps until a scheduler has something for it.
//
// Threads: compatible; functions only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "queue/parking.h"
#include "scheduler/instance_seat.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

// Nothing now: ask again at `time_ns`; at the end of time, only when woken.
inline Pull pull_again_at(int64_t time_ns) {
    return time_ns == std::numeric_limits<int64_t>::max()
               ? Pull{.kind = Pull::Kind::kIdle}
               : Pull{.kind = Pull::Kind::kWait, .wait_until_ns = time_ns};
}

// Calls `look`, which answers as Scheduler::try_pull does, until it says kBatch or kStopped or has
// put something into `dropped`, and sleeps in `parking` between looks, for which it leaves `seat`
// (null: there is none). kIdle when `dropped` alone gained requests; what a guest says that the
// pull ends with. Timed sleeps are on the steady clock.
template <typename Look>
Pull pull_when_due(Parking& parking, InstanceSeat* seat,
                   const std::vector<DroppedRequest>& dropped, Look look) {
    const size_t dropped_before = dropped.size();
    const auto is_answer = [&](const Pull& pull) {
        return pull.kind == Pull::Kind::kBatch || pull.kind == Pull::Kind::kStopped ||
               dropped.size() > dropped_before;
    };
    for (;;) {
        Pull answer = look();
        if (!is_answer(answer)) {
            const Parking::Ticket ticket = parking.prepare();
            answer = look();  // for what came before the ticket
            if (!is_answer(answer)) {
                if (seat != nullptr) {
                    seat->leave(parking);
                }
                if (answer.kind == Pull::Kind::kWait) {
                    parking.wait_until(ticket, answer.wait_until_ns);
                } else {
                    parking.wait(ticket);
                }
                if (std::optional<Pull> told = seat == nullptr ? std::nullopt : seat->take_back()) {
                    return *told;
                }
                continue;
            }
            parking.cancel();
        }
        return answer.kind == Pull::Kind::kWait ? Pull{} : answer;
    }
}

}  // namespace tritonpy
