#include "scheduler/step_slots.h"

#include "scheduler/ensemble_run.h"

namespace tritonpy {

bool StepSlots::take(EnsembleRun& run, EnsembleProgress::Place place) {
    if (limit_ == 0) {
        return true;
    }
    Line& line = lines_[place.step];
    std::lock_guard lock(line.mutex);
    if (line.taken < limit_) {
        ++line.taken;
        return true;
    }
    line.waiting.push_back({&run, place});
    return false;
}

void StepSlots::give_back(size_t step) {
    if (limit_ == 0) {
        return;
    }
    Line& line = lines_[step];
    std::unique_lock lock(line.mutex);
    --line.taken;
    if (line.handing_out) {
        return;  // whoever does looks again before it leaves
    }
    line.handing_out = true;
    while (line.taken < limit_ && !line.waiting.empty()) {
        Waiter first = line.waiting.front();
        line.waiting.pop_front();
        ++line.taken;
        lock.unlock();
        first.run->granted(first.place);
        lock.lock();
    }
    line.handing_out = false;
}

}  // namespace tritonpy
