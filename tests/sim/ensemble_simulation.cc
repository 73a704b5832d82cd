#include "ensemble_simulation.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

namespace tritonpy {

namespace {

constexpr int kSteps = 120;

TensorSpec spec_of(std::string name, bool optional = false) {
    TensorSpec spec;
    spec.name = std::move(name);
    spec.data_type = DataType::kInt64;
    spec.dims = {1};
    spec.optional = optional;
    return spec;
}

std::vector<std::string> names_of(const std::vector<RequestedOutput>& outputs) {
    std::vector<std::string> names;
    for (const RequestedOutput& output : outputs) {
        names.push_back(output.name);
    }
    return names;
}

Numbers numbers_of(const std::vector<Tensor>& tensors) {
    Numbers numbers;
    for (const Tensor& tensor : tensors) {
        std::memcpy(&numbers[tensor.name], tensor.data.data(), sizeof(int64_t));
    }
    return numbers;
}

}  // namespace

EnsembleSimulation::EnsembleSimulation(uint64_t seed) : dice_(seed) { make_models(); }

std::string EnsembleSimulation::run() {
    for (int step = 0; step < kSteps; ++step) {
        switch (dice_.roll(0, 9)) {
            case 0:
            case 1:
                send();
                break;
            case 2:
                if (!sent_.empty() && dice_.one_in(4)) {
                    Sent& any = sent_.begin()->second;
                    any.may_fail = true;
                    any.cancellation->requested.store(true);
                }
                break;
            case 3:
                if (dice_.one_in(20)) {
                    for (auto& [name, ensemble] : ensembles_) {
                        ensemble->is_gone = dice_.one_in(3);
                    }
                }
                break;
            default:
                answer_one();
        }
    }
    while (!held_.empty()) {
        answer_one();
    }
    for (const auto& [tag, sent] : sent_) {
        violate("request " + std::to_string(tag) + " was never answered");
    }
    if (buffers_ != 0) {
        violate(std::to_string(buffers_) + " buffers are left");
    }
    return violations_;
}

void EnsembleSimulation::make_models() {
    const int64_t ensembles = dice_.roll(1, 4);
    for (int64_t number = 0; number < ensembles; ++number) {
        SimulatedModel model = random_ensemble("e" + std::to_string(number));
        open(model);
        names_.push_back(model.name);
        models_.emplace(model.name, std::move(model));
    }
}

SimulatedModel EnsembleSimulation::random_model(const std::string& name) {
    SimulatedModel model;
    model.name = name;
    model.decoupled = dice_.one_in(6);
    const int64_t inputs = dice_.roll(1, 3);
    for (int64_t number = 0; number < inputs; ++number) {
        model.inputs.push_back(spec_of("i" + std::to_string(number), dice_.one_in(4)));
    }
    const int64_t outputs = dice_.roll(1, 2);
    for (int64_t number = 0; number < outputs; ++number) {
        model.outputs.push_back(spec_of("o" + std::to_string(number)));
    }
    return model;
}

// Steps one after another, each reading what the ones before wrote; of two decoupled origins no
// step and no response may read both, so a tensor that would bring a second one is not read.
SimulatedModel EnsembleSimulation::random_ensemble(const std::string& name) {
    SimulatedModel model;
    model.name = name;
    EnsembleConfig config;
    config.max_inflight_requests = static_cast<uint32_t>(dice_.one_in(3) ? dice_.roll(1, 3) : 0);
    std::vector<std::pair<std::string, int64_t>> tensors;  // with the step that made them so often
    const int64_t inputs = dice_.roll(1, 3);
    for (int64_t number = 0; number < inputs; ++number) {
        model.inputs.push_back(spec_of("i" + std::to_string(number), dice_.one_in(4)));
        tensors.emplace_back(model.inputs.back().name, -1);
    }
    const int64_t steps = dice_.roll(1, 6);
    for (int64_t number = 0; number < steps; ++number) {
        EnsembleStep step;
        step.model_name = name + "m" + std::to_string(number);
        if (!names_.empty() && dice_.one_in(4)) {
            step.model_name = names_[static_cast<size_t>(
                dice_.roll(0, static_cast<int64_t>(names_.size()) - 1))];
        } else {
            models_.emplace(step.model_name, random_model(step.model_name));
            limits_[step.model_name] = config.max_inflight_requests;
        }
        const SimulatedModel& called = models_.at(step.model_name);
        step.decoupled = called.decoupled;
        int64_t origin = -1;
        for (const TensorSpec& input : called.inputs) {
            const auto& [tensor, from] = tensors[static_cast<size_t>(
                dice_.roll(0, static_cast<int64_t>(tensors.size()) - 1))];
            const bool mixes = from >= 0 && origin >= 0 && from != origin;
            step.inputs.push_back({input.name, mixes ? tensors[0].first : tensor,
                                   input.optional, 1});
            origin = mixes ? origin : std::max(origin, from);
        }
        for (const TensorSpec& output : called.outputs) {
            const std::string tensor = "t" + std::to_string(number) + output.name;
            step.outputs.push_back({output.name, tensor});
            tensors.emplace_back(tensor, step.decoupled ? number : origin);
        }
        config.steps.push_back(std::move(step));
    }
    int64_t origin = -1;
    for (size_t index = tensors.size(); index-- > static_cast<size_t>(inputs);) {
        const auto& [tensor, from] = tensors[index];
        const bool mixes = from >= 0 && origin >= 0 && from != origin;
        if (!mixes && (model.outputs.empty() || dice_.one_in(2))) {
            model.outputs.push_back(spec_of(tensor));
            origin = std::max(origin, from);
        }
    }
    model.decoupled = origin >= 0;
    for (size_t index = config.steps.size(); index > 1; --index) {  // they may stand in any order
        std::swap(config.steps[index - 1],
                  config.steps[static_cast<size_t>(
                      dice_.roll(0, static_cast<int64_t>(index) - 1))]);
    }
    model.ensemble = std::move(config);
    return model;
}

void EnsembleSimulation::open(const SimulatedModel& model) {
    auto ensemble = std::make_unique<Ensemble>();
    ensemble->identity.name = model.name;
    ensemble->identity.decoupled = model.decoupled;
    ensemble->identity.inputs = model.inputs;
    ensemble->identity.outputs = model.outputs;
    InferenceDoor& door = *this;
    ensemble->scheduler = std::make_unique<EnsembleScheduler>(
        *model.ensemble, ensemble->identity, door, *ensemble);
    ensembles_.emplace(model.name, std::move(ensemble));
}

Tensor EnsembleSimulation::number_tensor(const std::string& name, int64_t number,
                                         bool of_client) {
    struct Block {
        EnsembleSimulation* simulation;
        bool of_client;
        int64_t number;
    };
    auto block = std::make_unique<Block>(Block{this, of_client, number});
    auto* data = reinterpret_cast<std::byte*>(&block->number);
    ++buffers_;
    BufferRef buffer = wrap_external(data, sizeof(int64_t), block.release(), [](void* owned) {
        std::unique_ptr<Block> freed(static_cast<Block*>(owned));
        --freed->simulation->buffers_;
        if (freed->of_client && !freed->simulation->at_home_) {
            freed->simulation->violate("a client's buffer was let go by somebody else");
        }
    });
    std::span<const std::byte> bytes(buffer->data(), buffer->size());
    return {name, DataType::kInt64, {1}, bytes, std::move(buffer)};
}

void EnsembleSimulation::send() {
    const std::string& name = names_[static_cast<size_t>(
        dice_.roll(0, static_cast<int64_t>(names_.size()) - 1))];
    const SimulatedModel& model = models_.at(name);
    auto request = std::make_unique<InferenceRequest>();
    const uint64_t tag = next_tag_++;
    request->model_name = name;
    request->tag = tag;
    request->id = std::to_string(tag);
    request->sink = this;
    request->cancellation = std::make_shared<Cancellation>();
    for (const TensorSpec& input : model.inputs) {
        if (!input.optional || !dice_.one_in(3)) {
            request->inputs.push_back(number_tensor(input.name, dice_.roll(0, 1000), true));
        }
    }
    for (const TensorSpec& output : model.outputs) {
        if (dice_.one_in(3)) {
            request->outputs.emplace_back().name = output.name;
        }
    }
    Sent& sent = sent_[tag];
    sent.cancellation = request->cancellation;
    sent.expected = expected_result(models_, model, numbers_of(request->inputs),
                                    names_of(request->outputs));
    bool wake_due = false;
    Status taken = ensembles_.at(name)->scheduler->admit(request, 0, wake_due);
    if (!taken.ok() || wake_due) {
        violate("an ensemble did not take a request");
    }
}

EnsembleSimulation::Sent& EnsembleSimulation::sent_of(const InferenceRequest& request) {
    return sent_.at(std::stoull(request.id));
}

Status EnsembleSimulation::infer(std::unique_ptr<InferenceRequest>& request) {
    const SimulatedModel& model = models_.at(request->model_name);
    Sent& sent = sent_of(*request);
    for (const TensorSpec& input : model.inputs) {
        const bool is_there =
            std::any_of(request->inputs.begin(), request->inputs.end(),
                        [&](const Tensor& tensor) { return tensor.name == input.name; });
        if (!is_there && !input.optional) {
            violate("a step of " + model.name + " was begun without " + input.name);
        }
    }
    if (dice_.one_in(150)) {
        sent.may_fail = true;
        return unavailable("Exceeds maximum queue size");
    }
    if (model.ensemble) {
        Ensemble& ensemble = *ensembles_.at(model.name);
        if (ensemble.is_gone) {
            sent.may_fail = true;
            return not_found("Request for unknown model");
        }
        bool wake_due = false;
        return ensemble.scheduler->admit(request, 0, wake_due);
    }
    sent.calls.insert(model.name);
    if (limits_[model.name] > 0 && running_[model.name] >= limits_[model.name]) {
        violate("too many requests at once in " + model.name);
    }
    ++running_[model.name];
    Held held{std::move(request), &model, {}, 0};
    held.answers = compute(model, numbers_of(held.request->inputs));
    if (dice_.one_in(4)) {
        answer(std::move(held));  // before the request was taken, as it were
    } else {
        held_.push_back(std::move(held));
    }
    return Status();
}

Result<std::shared_ptr<const ModelIdentity>> EnsembleSimulation::model_identity(
    std::string_view, int64_t) const {
    return not_found("nobody asks");
}

Result<int64_t> EnsembleSimulation::labelled_version(std::string_view, std::string_view) const {
    return not_found("nobody asks");
}

void EnsembleSimulation::answer_one() {
    if (held_.empty()) {
        return;
    }
    const auto any =
        static_cast<ptrdiff_t>(dice_.roll(0, static_cast<int64_t>(held_.size()) - 1));
    Held held = std::move(held_[static_cast<size_t>(any)]);
    held_.erase(held_.begin() + any);
    answer(std::move(held));
}

// The next answer of a request; it goes back to those held until its last.
void EnsembleSimulation::answer(Held held) {
    auto response = std::make_unique<InferenceResponse>();
    response->tag = held.request->tag;
    const size_t count = held.answers ? held.answers->size() : 0;
    if (held.request->is_cancelled() && dice_.one_in(2)) {
        response->status = cancelled("");
    } else if (!held.answers) {
        response->status = internal_error(held.model->name + " failed");
    }
    const bool gives = response->status.ok() && held.given < count;
    if (gives) {
        for (const auto& [name, number] : (*held.answers)[held.given]) {
            response->outputs.push_back(number_tensor(name, number, false));
        }
        ++held.given;
    }
    // The end may come with the last answer or after it; an empty answer would pass for the end.
    const bool ends_here = !held.model->decoupled || !gives ||
                           (!response->outputs.empty() && dice_.one_in(2));
    const bool is_last = held.given == count && ends_here;
    response->final = is_last || !response->status.ok();
    ResponseSink& sink = *held.request->sink;
    if (response->final) {
        --running_[held.model->name];
        response->request = std::move(held.request);
    } else {
        held_.push_back(std::move(held));
    }
    sink.deliver(std::move(response));
}

void EnsembleSimulation::Ensemble::respond(const InferenceRequest& request,
                                           std::unique_ptr<InferenceResponse> response) {
    response->final = false;
    response->tag = request.tag;
    request.sink->deliver(std::move(response));
}

void EnsembleSimulation::Ensemble::finish(std::unique_ptr<InferenceRequest> request,
                                          std::unique_ptr<InferenceResponse> response) {
    ResponseSink& sink = *request->sink;
    response->tag = request->tag;
    response->request = std::move(request);
    sink.deliver(std::move(response));
}

void EnsembleSimulation::deliver(std::unique_ptr<InferenceResponse> response) {
    auto found = sent_.find(response->tag);
    if (found == sent_.end()) {
        violate("request " + std::to_string(response->tag) + " was answered again");
        return;
    }
    Sent& sent = found->second;
    if (!response->outputs.empty()) {
        sent.answers.push_back(numbers_of(response->outputs));
    }
    if (response->final) {
        check(sent, *response);
        sent_.erase(found);
    }
    at_home_ = true;
    response.reset();
    at_home_ = false;
}

void EnsembleSimulation::check(Sent& sent, const InferenceResponse& response) {
    const std::string subject = "request " + std::to_string(response.tag) + ": ";
    std::vector<Numbers>& expected = sent.expected.answers;
    std::sort(expected.begin(), expected.end());
    std::sort(sent.answers.begin(), sent.answers.end());
    if (!std::includes(expected.begin(), expected.end(), sent.answers.begin(),
                       sent.answers.end())) {
        violate(subject + "an answer is wrong");
    }
    std::multiset<std::string> calls;
    for (const auto& [model, path] : sent.expected.calls) {
        calls.insert(model);
    }
    if (!std::includes(calls.begin(), calls.end(), sent.calls.begin(), sent.calls.end())) {
        violate(subject + "a step ran that should not");
    }
    if (!response.status.ok()) {
        const std::string prefix = "in ensemble '" + response.request->model_name + "', ";
        if (!sent.may_fail && !sent.expected.fails) {
            violate(subject + "failed: " + std::string(response.status.message()));
        }
        if (!response.status.message().starts_with(prefix)) {
            violate(subject + "its failure does not name the ensemble");
        }
        return;
    }
    if (sent.expected.fails) {
        violate(subject + "it should have failed");
    } else if (sent.answers.size() != expected.size()) {
        violate(subject + "got " + std::to_string(sent.answers.size()) + " answers instead of " +
                std::to_string(expected.size()));
    } else if (sent.calls != calls) {
        violate(subject + "not every step ran");
    } else {
        ++succeeded_;
    }
}

}  // namespace tritonpy
