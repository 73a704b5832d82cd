// How a thread sleeps until a scheduler has something for it.
//
// Threads: compatible; functions only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "queue/parking.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

// Nothing now: ask again at `time_ns`; at the end of time, only when woken.
inline Pull pull_again_at(int64_t time_ns) {
    return time_ns == std::numeric_limits<int64_t>::max()
               ? Pull{.kind = Pull::Kind::kIdle}
               : Pull{.kind = Pull::Kind::kWait, .wait_until_ns = time_ns};
}

// Calls `look`, which answers as Scheduler::try_pull does, until it says kBatch or kStopped or has
// put something into `dropped`, and sleeps in `parking` between looks. kIdle when `dropped` alone
// gained requests. Timed sleeps are on the steady clock.
template <typename Look>
Pull pull_when_due(Parking& parking, const std::vector<DroppedRequest>& dropped, Look look) {
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
                if (answer.kind == Pull::Kind::kWait) {
                    parking.wait_until(ticket, answer.wait_until_ns);
                } else {
                    parking.wait(ticket);
                }
                continue;
            }
            parking.cancel();
        }
        return answer.kind == Pull::Kind::kWait ? Pull{} : answer;
    }
}

}  // namespace tritonpy
