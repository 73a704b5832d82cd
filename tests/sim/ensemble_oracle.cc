#include "ensemble_oracle.h"

#include <algorithm>

namespace tritonpy {

namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
    hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
    hash *= 0xbf58476d1ce4e5b9ULL;
    return hash ^ (hash >> 29);
}

uint64_t hash_of(const SimulatedModel& model, const Numbers& inputs) {
    uint64_t hash = 1;
    for (char letter : model.name) {
        hash = mix(hash, static_cast<uint64_t>(letter));
    }
    for (const auto& [name, value] : inputs) {
        hash = mix(mix(hash, static_cast<uint64_t>(name.back())), static_cast<uint64_t>(value));
    }
    return hash;
}

// A tensor of the ensemble as far as it is decided: a number or absent, and the path of decoupled
// answers that it came by.
struct Decided {
    std::optional<int64_t> value;
    std::string path;
};
using Environment = std::map<std::string, Decided>;

class Evaluation {
  public:
    Evaluation(const SimulatedModels& models, const SimulatedModel& model,
               const std::vector<std::string>& wanted)
        : models_(models), model_(model), steps_(model.ensemble->steps) {
        for (const TensorSpec& output : model.outputs) {
            if (wanted.empty() ||
                std::find(wanted.begin(), wanted.end(), output.name) != wanted.end()) {
                wanted_.push_back(output.name);
            }
        }
        need(wanted_);
    }

    ExpectedResult run(const Numbers& inputs, const std::string& path) {
        Environment tensors;
        for (const TensorSpec& input : model_.inputs) {
            auto given = inputs.find(input.name);
            std::optional<int64_t> value;
            if (given != inputs.end()) {
                value = given->second;
            }
            tensors[input.name] = {value, path};
        }
        go_on(std::move(tensors), std::set<size_t>());
        result_.fails = result_.fails || (result_.answers.empty() && !model_.decoupled);
        return std::move(result_);
    }

  private:
    void need(const std::vector<std::string>& tensors) {
        for (const std::string& tensor : tensors) {
            for (size_t step = 0; step < steps_.size(); ++step) {
                const auto& outputs = steps_[step].outputs;
                bool writes = std::any_of(outputs.begin(), outputs.end(), [&](const auto& output) {
                    return output.tensor == tensor;
                });
                if (writes && needed_.insert(step).second) {
                    std::vector<std::string> read;
                    for (const auto& input : steps_[step].inputs) {
                        read.push_back(input.tensor);
                    }
                    need(read);
                }
            }
        }
    }

    // Runs every step that can run with these tensors, and all that follows.
    void go_on(Environment tensors, std::set<size_t> done) {
        for (size_t step : needed_) {
            const auto& inputs = steps_[step].inputs;
            bool is_due = done.count(step) == 0 &&
                          std::all_of(inputs.begin(), inputs.end(), [&](const auto& input) {
                              return tensors.count(input.tensor) > 0;
                          });
            if (is_due) {
                done.insert(step);
                run_step(steps_[step], std::move(tensors), std::move(done));
                return;
            }
        }
        answer(tensors);
    }

    void run_step(const EnsembleStep& step, Environment tensors, std::set<size_t> done) {
        Numbers inputs;
        std::string path;
        bool runs = true;
        for (const EnsembleStep::Input& input : step.inputs) {
            const Decided& tensor = tensors[input.tensor];
            path = std::max(path, tensor.path,
                            [](const auto& a, const auto& b) { return a.size() < b.size(); });
            if (tensor.value) {
                inputs[input.name] = *tensor.value;
            }
            runs = runs && (tensor.value || input.optional);
        }
        const std::vector<Numbers> answers =
            runs ? ask(step, inputs, path) : std::vector<Numbers>();
        if (!step.decoupled) {
            set_outputs(step, tensors, answers.empty() ? Numbers() : answers[0], path);
            go_on(std::move(tensors), std::move(done));
        } else if (answers.empty()) {
            go_on(std::move(tensors), std::move(done));  // what depends on it never comes
        }
        for (size_t number = 0; step.decoupled && number < answers.size(); ++number) {
            Environment round = tensors;
            set_outputs(step, round, answers[number],
                        path + "/" + step.model_name + "." + std::to_string(number));
            go_on(std::move(round), done);
        }
    }

    std::vector<Numbers> ask(const EnsembleStep& step, const Numbers& inputs,
                             const std::string& path) {
        const SimulatedModel& model = models_.at(step.model_name);
        std::vector<std::string> outputs;
        for (const EnsembleStep::Output& output : step.outputs) {
            outputs.push_back(output.name);
        }
        // An ensemble may be a step of several, or several times of one.
        const std::string inside = path + "(" + step.outputs[0].tensor + ")";
        ExpectedResult result = expected_result(models_, model, inputs, outputs,
                                                model.ensemble ? inside : path);
        result_.fails = result_.fails || result.fails;
        result_.calls.merge(result.calls);
        return std::move(result.answers);
    }

    static void set_outputs(const EnsembleStep& step, Environment& tensors, const Numbers& answer,
                            const std::string& path) {
        for (const EnsembleStep::Output& output : step.outputs) {
            auto given = answer.find(output.name);
            std::optional<int64_t> value;
            if (given != answer.end()) {
                value = given->second;
            }
            tensors[output.tensor] = {value, path};
        }
    }

    void answer(const Environment& tensors) {
        Numbers numbers;
        for (const std::string& output : wanted_) {
            auto found = tensors.find(output);
            if (found == tensors.end() || !found->second.value) {
                return;
            }
            numbers[output] = *found->second.value;
        }
        result_.answers.push_back(std::move(numbers));
    }

    const SimulatedModels& models_;
    const SimulatedModel& model_;
    const std::vector<EnsembleStep>& steps_;
    std::vector<std::string> wanted_;
    std::set<size_t> needed_;
    ExpectedResult result_;
};

}  // namespace

std::optional<std::vector<Numbers>> compute(const SimulatedModel& model, const Numbers& inputs) {
    const uint64_t hash = hash_of(model, inputs);
    if (hash % 31 == 0) {
        return std::nullopt;
    }
    std::vector<Numbers> answers(model.decoupled ? (hash >> 8) % 4 : 1);
    for (size_t number = 0; number < answers.size(); ++number) {
        for (size_t output = 0; output < model.outputs.size(); ++output) {
            const uint64_t value = mix(mix(hash, number), output);
            if (value % 23 != 0) {
                answers[number][model.outputs[output].name] = static_cast<int64_t>(value);
            }
        }
    }
    return answers;
}

ExpectedResult expected_result(const SimulatedModels& models, const SimulatedModel& model,
                               const Numbers& inputs, const std::vector<std::string>& wanted,
                               const std::string& path) {
    if (model.ensemble) {
        return Evaluation(models, model, wanted).run(inputs, path);
    }
    ExpectedResult result;
    result.calls.emplace(model.name, path);
    std::optional<std::vector<Numbers>> answers = compute(model, inputs);
    result.fails = !answers;
    if (answers) {
        result.answers = std::move(*answers);
    }
    return result;
}

}  // namespace tritonpy
