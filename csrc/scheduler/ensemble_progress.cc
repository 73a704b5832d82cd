#include "scheduler/ensemble_progress.h"

#include <algorithm>

#include "base/check.h"

namespace tritonpy {

EnsembleProgress::EnsembleProgress(const EnsembleGraph& graph, const EnsembleDemand& demand,
                                   Values inputs)
    : graph_(graph), demand_(demand) {
    open_round(EnsembleGraph::kRootScope);
    std::vector<Slot>& tensors = rounds_[kRoot].tensors;
    for (size_t input = 0; input < graph_.inputs.size(); ++input) {
        tensors[input].fate = Fate::kAbsent;
    }
    for (auto& [input, value] : inputs) {
        tensors[input] = {Fate::kPresent, std::move(value)};
    }
    look_after(kRoot);
}

void EnsembleProgress::answer(Place from, Values outputs) {
    const size_t scope = graph_.steps[from.step].opens;
    TRITONPY_CHECK(scope != EnsembleGraph::kNone);
    const uint32_t round = open_round(scope);
    put(round, from.step, std::move(outputs));
    look_after(round);
}

void EnsembleProgress::end(Place from, Values outputs) {
    --rounds_[from.round].open_steps;
    if (graph_.steps[from.step].opens == EnsembleGraph::kNone) {
        put(from.round, from.step, std::move(outputs));
        look_after(from.round);
    } else {
        forget_if_done(from.round);
    }
}

void EnsembleProgress::answered(uint32_t round) {
    rounds_[round].owes_response = false;
    forget_if_done(round);
}

std::optional<EnsembleProgress::Place> EnsembleProgress::take_due() {
    if (due_.empty()) {
        return std::nullopt;
    }
    Place first = due_.front();
    due_.erase(due_.begin());
    return first;
}

std::optional<uint32_t> EnsembleProgress::take_complete() {
    if (complete_.empty()) {
        return std::nullopt;
    }
    uint32_t first = complete_.front();
    complete_.erase(complete_.begin());
    return first;
}

const EnsembleProgress::Slot& EnsembleProgress::slot(
    uint32_t round, const EnsembleGraph::TensorPlace& place) const {
    const bool in_root = place.scope == EnsembleGraph::kRootScope;
    return rounds_[in_root ? kRoot : round].tensors[place.index];
}

void EnsembleProgress::drop_values() {
    for (Round& round : rounds_) {
        for (Slot& slot : round.tensors) {
            slot.value = Value();
        }
    }
}

const EnsembleProgress::Value* EnsembleProgress::value(
    uint32_t round, const EnsembleGraph::TensorPlace& place) const {
    const Slot& found = slot(round, place);
    return found.fate == Fate::kPresent ? &found.value : nullptr;
}

uint32_t EnsembleProgress::open_round(size_t scope) {
    if (unused_.empty()) {
        unused_.push_back(static_cast<uint32_t>(rounds_.size()));
        rounds_.emplace_back();
    }
    const uint32_t number = unused_.back();
    unused_.pop_back();
    const EnsembleGraph::Scope& from = graph_.scopes[scope];
    Round& round = rounds_[number];
    round.scope = scope;
    round.in_use = true;
    round.owes_response = scope == demand_.scope;
    round.is_complete = false;
    round.open_steps = static_cast<size_t>(
        std::count_if(from.steps.begin(), from.steps.end(),
                      [this](size_t step) { return demand_.steps[step]; }));
    round.decided.assign(from.steps.size(), false);
    round.tensors.resize(from.tensor_count);
    return number;
}

// What the step gave is present, and what it did not give is absent.
void EnsembleProgress::put(uint32_t round, size_t step, Values outputs) {
    std::vector<Slot>& tensors = rounds_[round].tensors;
    for (const EnsembleGraph::TensorPlace& place : graph_.steps[step].outputs) {
        tensors[place.index].fate = Fate::kAbsent;
    }
    for (auto& [output, value] : outputs) {
        tensors[graph_.steps[step].outputs[output].index] = {Fate::kPresent, std::move(value)};
    }
}

void EnsembleProgress::look_after(uint32_t round) {
    look_at(round);
    if (round == kRoot) {
        for (uint32_t other = kRoot + 1; other < rounds_.size(); ++other) {
            if (rounds_[other].in_use) {
                look_at(other);
            }
        }
    }
}

void EnsembleProgress::look_at(uint32_t round) {
    const std::vector<size_t>& steps = graph_.scopes[rounds_[round].scope].steps;
    for (size_t position = 0; position < steps.size(); ++position) {
        const size_t step = steps[position];
        if (!demand_.steps[step] || rounds_[round].decided[position]) {
            continue;
        }
        const Verdict decision = verdict(round, step);
        rounds_[round].decided[position] = decision != Verdict::kWait;
        if (decision == Verdict::kRun) {
            due_.push_back({round, static_cast<uint32_t>(step)});
        } else if (decision == Verdict::kNeverRuns) {
            --rounds_[round].open_steps;
            if (graph_.steps[step].opens == EnsembleGraph::kNone) {
                put(round, step, {});  // steps that read it come later in this loop
            }
        }
    }
    look_at_response(round);
    forget_if_done(round);
}

EnsembleProgress::Verdict EnsembleProgress::verdict(uint32_t round, size_t step) const {
    const std::vector<EnsembleStep::Input>& inputs = graph_.config.steps[step].inputs;
    Verdict decision = Verdict::kRun;
    for (size_t input = 0; input < inputs.size(); ++input) {
        const Fate fate = slot(round, graph_.steps[step].inputs[input]).fate;
        if (fate == Fate::kAbsent && !inputs[input].optional) {
            return Verdict::kNeverRuns;
        }
        if (fate == Fate::kOpen) {
            decision = Verdict::kWait;
        }
    }
    return decision;
}

void EnsembleProgress::look_at_response(uint32_t number) {
    Round& round = rounds_[number];
    if (!round.owes_response || round.is_complete) {
        return;
    }
    bool all_present = true;
    for (size_t output = 0; output < graph_.outputs.size(); ++output) {
        if (!demand_.outputs[output]) {
            continue;
        }
        const Fate fate = slot(number, graph_.outputs[output].place).fate;
        all_present = all_present && fate == Fate::kPresent;
        round.owes_response = round.owes_response && fate != Fate::kAbsent;
    }
    if (all_present) {
        round.is_complete = true;
        complete_.push_back(number);
    }
}

void EnsembleProgress::forget_if_done(uint32_t number) {
    Round& round = rounds_[number];
    if (number == kRoot || !round.in_use || round.open_steps > 0 || round.owes_response) {
        return;
    }
    round.in_use = false;
    round.tensors.clear();
    unused_.push_back(number);
}

}  // namespace tritonpy
