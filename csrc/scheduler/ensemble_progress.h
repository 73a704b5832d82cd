// How far one request has come in its ensemble: which tensors exist, which steps can run, which
// responses are complete. A pure decision: nobody is called, nothing waits.
//
// A tensor is open until it is present or it is certain that it will never be: an input that the
// client left out, an output that a step did not give, and whatever depends on those. A step is due
// once all its inputs are decided and none that it needs is absent; so an optional input that some
// step still may make is waited for. A step that can never run makes its own outputs absent.
//
// A round is forgotten when all its steps have ended and its response went out, so that a decoupled
// model that answers without end holds only what is on its way.
//
// Threads: compatible. Owns: the tensors of the rounds that are open.
// Invariants: 1. a step is due at most once in a round, and only if the request needs it;
//             2. a round gives at most one response, and only with every output asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/ensemble_graph.h"
#include "tensor/tensor.h"

namespace tritonpy {

// What a step's response says about its sequence; steps after it say it too.
struct SequenceMark {
    std::optional<std::variant<uint64_t, std::string>> correlation_id;
    std::optional<bool> start;
    std::optional<bool> end;
};

class EnsembleProgress {
  public:
    // A tensor that exists, with the mark of the response that it came in.
    struct Value {
        Tensor tensor;
        std::shared_ptr<const SequenceMark> mark;  // shared by that response's tensors
    };
    // Tensors of a step's answer, by their number among the step's outputs; or the ensemble's
    // inputs, by theirs.
    using Values = std::vector<std::pair<size_t, Value>>;
    // A step of a round. Rounds have numbers that are given again once the round is forgotten.
    struct Place {
        uint32_t round = 0;
        uint32_t step = 0;
    };

    // `graph` and `demand` are borrowed and outlive this. Inputs that are not given are absent.
    EnsembleProgress(const EnsembleGraph& graph, const EnsembleDemand& demand, Values inputs);

    // One answer of a decoupled model: opens a round of its scope.
    void answer(Place from, Values outputs);
    // A step has ended: with `outputs` as its only answer, or, when its model is decoupled, after
    // its last.
    void end(Place from, Values outputs);
    // The response of a complete round went out.
    void answered(uint32_t round);

    // Takes a step that became due; each must come to end. Nothing when there is none.
    std::optional<Place> take_due();
    // Takes a round whose response is complete; it must come to answered.
    std::optional<uint32_t> take_complete();
    // What a step or the response of `round` sees at a place, until the next call that is not
    // const; null when it is absent.
    const Value* value(uint32_t round, const EnsembleGraph::TensorPlace& place) const;

    // Lets every tensor go: the ensemble has failed, and asks for no value any more.
    void drop_values();

    const EnsembleDemand& demand() const { return demand_; }
    // Rounds that are not forgotten, the root's included.
    size_t open_rounds() const { return rounds_.size() - unused_.size(); }

  private:
    static constexpr uint32_t kRoot = 0;

    enum class Fate : uint8_t { kOpen, kPresent, kAbsent };
    struct Slot {
        Fate fate = Fate::kOpen;
        Value value;
    };
    enum class Verdict : uint8_t { kWait, kRun, kNeverRuns };
    struct Round {
        size_t scope = 0;
        bool in_use = false;
        bool owes_response = false;  // until it was answered, or never can be
        bool is_complete = false;
        size_t open_steps = 0;       // needed, and not ended
        std::vector<bool> decided;   // by position in the scope's steps
        std::vector<Slot> tensors;
    };

    uint32_t open_round(size_t scope);
    void put(uint32_t round, size_t step, Values outputs);
    // Looks at every step of a round that has changed, and at its response; for the root's, also at
    // all other rounds, which may read its tensors.
    void look_after(uint32_t round);
    void look_at(uint32_t round);
    void look_at_response(uint32_t round);
    Verdict verdict(uint32_t round, size_t step) const;
    void forget_if_done(uint32_t round);
    const Slot& slot(uint32_t round, const EnsembleGraph::TensorPlace& place) const;

    const EnsembleGraph& graph_;
    const EnsembleDemand& demand_;
    std::vector<Round> rounds_;  // the first is the root's
    std::vector<uint32_t> unused_;
    std::vector<Place> due_;
    std::vector<uint32_t> complete_;
};

}  // namespace tritonpy
