#include "scheduler/ensemble_run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "infer/derived_request.h"

namespace tritonpy {

namespace {

using Place = EnsembleProgress::Place;
using Value = EnsembleProgress::Value;
using Values = EnsembleProgress::Values;

uint64_t tag_of(Place place) { return uint64_t{place.round} << 32 | place.step; }

Place place_of(uint64_t tag) {
    return {static_cast<uint32_t>(tag >> 32), static_cast<uint32_t>(tag)};
}

// A model without a batch dimension among models with one: a leading 1 comes or goes. A shape that
// does not fit that way stays, and whoever gets it says what is wrong.
Shape with_rank(const Shape& shape, size_t rank) {
    if (shape.rank() + 1 == rank) {
        Shape batched{1};
        for (int64_t dim : shape.dims()) {
            batched.append(dim);
        }
        return batched;
    }
    if (shape.rank() == rank + 1 && shape[0] == 1) {
        return Shape(shape.row_dims());
    }
    return shape;
}

Tensor handed_on(const Tensor& tensor, const std::string& name, size_t rank) {
    return {name, tensor.data_type, with_rank(tensor.shape, rank), tensor.data, tensor.buffer};
}

std::shared_ptr<const SequenceMark> mark_of(const SharedParameters& parameters) {
    SequenceMark mark;
    for (const Parameter& parameter : parameters) {
        const ParameterValue& value = parameter.value;
        if (parameter.name == "sequence_id") {
            if (const auto* text = std::get_if<std::string>(&value)) {
                mark.correlation_id = *text;
            } else if (const auto* number = std::get_if<int64_t>(&value)) {
                mark.correlation_id = static_cast<uint64_t>(*number);
            } else if (const auto* unsigned_number = std::get_if<uint64_t>(&value)) {
                mark.correlation_id = *unsigned_number;
            }
        } else if (const auto* flag = std::get_if<bool>(&value)) {
            if (parameter.name == "sequence_start") {
                mark.start = *flag;
            } else if (parameter.name == "sequence_end") {
                mark.end = *flag;
            }
        }
    }
    if (!mark.correlation_id && !mark.start && !mark.end) {
        return nullptr;
    }
    return std::make_shared<const SequenceMark>(std::move(mark));
}

void set_flag(InferenceRequest& request, uint32_t flag, std::optional<bool> value) {
    if (value) {
        request.flags = *value ? request.flags | flag : request.flags & ~flag;
    }
}

void apply(const SequenceMark& mark, InferenceRequest& request) {
    if (mark.correlation_id) {
        request.correlation_id = *mark.correlation_id;
    }
    set_flag(request, InferenceRequest::kSequenceStart, mark.start);
    set_flag(request, InferenceRequest::kSequenceEnd, mark.end);
}

// The response's tensors, by the number of the step's output that each is.
Values values_of(const EnsembleStep& step, InferenceResponse& response) {
    std::shared_ptr<const SequenceMark> mark =
        response.parameters.empty() ? nullptr : mark_of(response.parameters);
    Values values;
    for (size_t output = 0; output < step.outputs.size(); ++output) {
        auto tensor =
            std::find_if(response.outputs.begin(), response.outputs.end(),
                         [&](const Tensor& one) { return one.name == step.outputs[output].name; });
        if (tensor != response.outputs.end()) {
            values.emplace_back(output, Value{std::move(*tensor), mark});
        }
    }
    return values;
}

// The request's tensors, by the number of the ensemble's input that each is.
Values inputs_of(const EnsembleGraph& graph, const InferenceRequest& request) {
    Values values;
    size_t input = 0;  // the request check has brought them into config order
    for (const Tensor& tensor : request.inputs) {
        while (graph.inputs[input] != tensor.name) {
            ++input;
        }
        values.emplace_back(input, Value{tensor, nullptr});
    }
    return values;
}

}  // namespace

void EnsembleRun::start(const EnsembleParts& parts, std::unique_ptr<InferenceRequest> request) {
    // Owns itself from here on; see finish.
    std::make_unique<EnsembleRun>(parts, std::move(request)).release()->drive();
}

EnsembleRun::EnsembleRun(const EnsembleParts& parts, std::unique_ptr<InferenceRequest> request)
    : parts_(parts),
      request_(std::move(request)),
      own_demand_(request_->outputs.empty()
                      ? std::nullopt
                      : std::optional(demand_of(parts.graph, request_->outputs))),
      progress_(parts.graph, own_demand_ ? *own_demand_ : parts.whole_demand,
                inputs_of(parts.graph, *request_)) {}

void EnsembleRun::deliver(std::unique_ptr<InferenceResponse> response) {
    const Place place = place_of(response->tag);
    add({std::move(response), place});
}

void EnsembleRun::granted(Place place) { add({nullptr, place}); }

void EnsembleRun::add(Event event) {
    {
        std::lock_guard lock(mutex_);
        if (driven_) {
            inbox_.push_back(std::move(event));
            return;  // whoever drives looks again before it leaves
        }
        driven_ = true;
    }
    handle(std::move(event));
    drive();
}

void EnsembleRun::drive() {
    std::vector<Event> events;
    go_on();
    while (open_calls_ > 0) {
        if (!take_events(events)) {
            return;  // another thread may drive, and end this run, from here on
        }
        for (Event& event : events) {
            handle(std::move(event));
        }
        events.clear();
        go_on();
    }
    finish();
}

// False when there are none, and then this thread does not drive any more.
bool EnsembleRun::take_events(std::vector<Event>& events) {
    std::lock_guard lock(mutex_);
    driven_ = !inbox_.empty();
    events.swap(inbox_);
    return driven_;
}

// Frees the answer, whose tensors may be the client's: they go home before the run can end.
void EnsembleRun::handle(Event event) {
    if (event.response == nullptr) {
        --open_calls_;  // out of the line
        ask(event.place);
        return;
    }
    const bool final = event.response->final;
    if (final) {
        --open_calls_;
        parts_.slots.give_back(event.place.step);
    }
    if (!event.response->status.ok()) {
        fail(event.response->status);
    } else if (status_.ok()) {
        handle_answer(*event.response, event.place);
    }
}

void EnsembleRun::handle_answer(InferenceResponse& response, Place place) {
    const EnsembleStep& step = parts_.graph.config.steps[place.step];
    if (response.final) {
        add_times(response.request->trace);
    }
    if (!step.decoupled) {
        progress_.end(place, values_of(step, response));
        return;
    }
    if (!response.final || !response.outputs.empty()) {
        progress_.answer(place, values_of(step, response));
    }
    if (response.final) {
        progress_.end(place, {});
    }
}

void EnsembleRun::go_on() {
    while (std::optional<uint32_t> round = progress_.take_complete()) {
        if (status_.ok()) {
            respond(*round);
        }
        progress_.answered(*round);
    }
    while (std::optional<Place> place = progress_.take_due()) {
        begin(*place);
    }
}

void EnsembleRun::respond(uint32_t round) {
    auto response = std::make_unique<InferenceResponse>();
    for (size_t output = 0; output < parts_.graph.outputs.size(); ++output) {
        if (progress_.demand().outputs[output]) {
            const EnsembleGraph::Output& from = parts_.graph.outputs[output];
            const Tensor& tensor = progress_.value(round, from.place)->tensor;
            response->outputs.push_back(handed_on(tensor, from.name, from.rank));
        }
    }
    if (parts_.identity.decoupled) {
        parts_.outlet.respond(*request_, std::move(response));
    } else {
        response_ = std::move(response);
    }
}

void EnsembleRun::begin(Place place) {
    if (!status_.ok()) {
        return;
    }
    if (parts_.slots.take(*this, place)) {
        ask(place);
    } else {
        ++open_calls_;
    }
}

// REQUIRES: the step has its slot.
void EnsembleRun::ask(Place place) {
    Status status = status_;
    if (status.ok() && request_->is_cancelled()) {
        status = cancelled("");
    }
    if (status.ok()) {
        std::unique_ptr<InferenceRequest> request = step_request(place);
        status = parts_.door.infer(request);
    }
    if (status.ok()) {
        ++open_calls_;
    } else {
        fail(status);
        parts_.slots.give_back(place.step);
    }
}

std::unique_ptr<InferenceRequest> EnsembleRun::step_request(Place place) const {
    const EnsembleStep& step = parts_.graph.config.steps[place.step];
    std::unique_ptr<InferenceRequest> request = derived_request(*request_);
    request->model_name = step.model_name;
    request->model_version = step.model_version;
    request->sink = const_cast<EnsembleRun*>(this);
    request->tag = tag_of(place);
    request->inputs.reserve(step.inputs.size());
    for (size_t input = 0; input < step.inputs.size(); ++input) {
        const EnsembleStep::Input& to = step.inputs[input];
        const Value* value =
            progress_.value(place.round, parts_.graph.steps[place.step].inputs[input]);
        if (value != nullptr) {
            request->inputs.push_back(handed_on(value->tensor, to.name, to.rank));
            if (value->mark != nullptr) {
                apply(*value->mark, *request);
            }
        }
    }
    request->outputs.reserve(step.outputs.size());
    for (const EnsembleStep::Output& output : step.outputs) {
        request->outputs.emplace_back().name = output.name;
    }
    return request;
}

void EnsembleRun::fail(const Status& status) {
    if (status_.ok()) {
        status_ = Status(status.code(), "in ensemble '" + parts_.identity.name + "', " +
                                            std::string(status.message()));
        progress_.drop_values();  // a sender may wait for its memory before it ends
    }
}

// The ensemble's compute times are the sums of its steps', kept as stations that lie apart so much.
void EnsembleRun::add_times(const RequestTrace& step) {
    RequestTrace& trace = request_->trace;
    const int64_t input_ns = step.compute_input_end_ns - step.compute_start_ns;
    const int64_t infer_ns = step.compute_output_start_ns - step.compute_input_end_ns;
    const int64_t output_ns = step.compute_end_ns - step.compute_output_start_ns;
    trace.compute_input_end_ns += input_ns;
    trace.compute_output_start_ns += input_ns + infer_ns;
    trace.compute_end_ns += input_ns + infer_ns + output_ns;
}

void EnsembleRun::finish() {
    if (status_.ok() && !parts_.identity.decoupled && response_ == nullptr) {
        fail(invalid_arg("unexpected deadlock, at least one output is not set while no more "
                         "ensemble steps can be made"));
    }
    std::unique_ptr<InferenceResponse> response = std::move(response_);
    if (response == nullptr || !status_.ok()) {
        response = std::make_unique<InferenceResponse>();
        response->status = std::move(status_);
    }
    EnsembleOutlet& outlet = parts_.outlet;
    std::unique_ptr<InferenceRequest> request = std::move(request_);
    // Its tensors go before the request, whose buffers are to be let go at home.
    std::unique_ptr<EnsembleRun>(this).reset();
    outlet.finish(std::move(request), std::move(response));
}

}  // namespace tritonpy
