#include "scheduler/ensemble_graph.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace tritonpy {

namespace {

using TensorPlace = EnsembleGraph::TensorPlace;

class GraphBuilder {
  public:
    explicit GraphBuilder(EnsembleGraph& graph) : graph_(graph) { graph_.scopes.resize(1); }

    void add_tensor(const std::string& name, size_t scope, size_t source) {
        TensorPlace place{scope, graph_.scopes[scope].tensor_count++, source};
        TRITONPY_CHECK(places_.emplace(name, place).second);
    }

    // Each step once the tensors that it reads have their places. Steps that wait for each other
    // get none: no output depends on them.
    void place_steps() {
        const std::vector<EnsembleStep>& steps = graph_.config.steps;
        std::vector<bool> placed(steps.size(), false);
        for (bool has_placed = true; has_placed;) {
            has_placed = false;
            for (size_t step = 0; step < steps.size(); ++step) {
                if (!placed[step] && is_readable(steps[step])) {
                    place_step(step);
                    placed[step] = true;
                    has_placed = true;
                }
            }
        }
    }

    const TensorPlace& at(std::string_view tensor) const { return places_.find(tensor)->second; }

  private:
    bool is_readable(const EnsembleStep& step) const {
        return std::all_of(step.inputs.begin(), step.inputs.end(), [this](const auto& input) {
            return places_.find(input.tensor) != places_.end();
        });
    }

    void place_step(size_t number) {
        const EnsembleStep& from = graph_.config.steps[number];
        EnsembleGraph::Step& step = graph_.steps[number];
        for (const EnsembleStep::Input& input : from.inputs) {
            const TensorPlace& place = step.inputs.emplace_back(at(input.tensor));
            if (place.scope != EnsembleGraph::kRootScope) {
                step.scope = place.scope;
            }
        }
        graph_.scopes[step.scope].steps.push_back(number);
        if (from.decoupled) {
            step.opens = graph_.scopes.size();
            graph_.scopes.emplace_back();
        }
        for (const EnsembleStep::Output& output : from.outputs) {
            add_tensor(output.tensor, from.decoupled ? step.opens : step.scope, number);
            step.outputs.push_back(at(output.tensor));
        }
    }

    EnsembleGraph& graph_;
    std::map<std::string, TensorPlace, std::less<>> places_;
};

}  // namespace

EnsembleGraph make_ensemble_graph(EnsembleConfig config, const std::vector<TensorSpec>& inputs,
                                  const std::vector<TensorSpec>& outputs, bool batches) {
    EnsembleGraph graph;
    graph.config = std::move(config);
    graph.steps.resize(graph.config.steps.size());
    GraphBuilder builder(graph);
    for (const TensorSpec& input : inputs) {
        builder.add_tensor(input.name, EnsembleGraph::kRootScope, EnsembleGraph::kNone);
        graph.inputs.push_back(input.name);
    }
    builder.place_steps();
    for (const TensorSpec& output : outputs) {
        graph.outputs.push_back(
            {output.name, builder.at(output.name), output.dims.rank() + (batches ? 1 : 0)});
    }
    return graph;
}

EnsembleDemand demand_of(const EnsembleGraph& graph,
                         const std::vector<RequestedOutput>& requested) {
    EnsembleDemand demand;
    demand.steps.resize(graph.steps.size(), false);
    demand.outputs.resize(graph.outputs.size(), requested.empty());
    std::vector<size_t> unseen;
    auto want = [&](const TensorPlace& place) {
        if (place.source != EnsembleGraph::kNone && !demand.steps[place.source]) {
            demand.steps[place.source] = true;
            unseen.push_back(place.source);
        }
    };
    for (size_t number = 0; number < graph.outputs.size(); ++number) {
        const EnsembleGraph::Output& output = graph.outputs[number];
        if (!requested.empty()) {
            demand.outputs[number] =
                std::any_of(requested.begin(), requested.end(),
                            [&](const RequestedOutput& one) { return one.name == output.name; });
        }
        if (demand.outputs[number]) {
            want(output.place);
            demand.scope = std::max(demand.scope, output.place.scope);
        }
    }
    while (!unseen.empty()) {
        const EnsembleGraph::Step& step = graph.steps[unseen.back()];
        unseen.pop_back();
        std::for_each(step.inputs.begin(), step.inputs.end(), want);
    }
    return demand;
}

}  // namespace tritonpy
