#include "simulation.h"

#include <algorithm>
#include <utility>

#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {

namespace {

constexpr int kSteps = 200;
const char* const kNames[] = {"alpha", "beta"};
constexpr int64_t kVersions = 3;

bool are_same_tensors(const Tensor& a, const Tensor& b) {
    return a.data_type == b.data_type && a.shape == b.shape &&
           std::equal(a.data.begin(), a.data.end(), b.data.begin(), b.data.end());
}

}  // namespace

Simulation::Simulation(uint64_t seed) : dice_(seed) {
    ServerOptions options;
    options.start_threads = false;
    options.make_factory = [this](const ExecutorConfig& config, const ExecutorContext& context) {
        size_t index = std::stoul(config.parameters.at("index"));
        SimulatedVersion& version = *versions_[index];
        return scripted([this, &version](Batch& batch) {
            return run_simulated_batch(
                dice_, version, batch,
                [this](uint64_t tag, const Status& status) { sent_.at(tag).outcome = status; },
                [this](const std::string& text) { violate(text); });
        })(config, context);
    };
    server_ = std::make_unique<InferenceServer>(std::move(options), clock_, log_);
}

std::string Simulation::run() {
    publish();
    for (int i = 0; i < kSteps && violations_.empty(); ++i) {
        step();
    }
    if (violations_.empty()) {
        finish();
    }
    return violations_;
}

void Simulation::step() {
    int64_t choice = dice_.roll(1, 1000);
    if (choice <= 500) {
        send();
    } else if (choice <= 900) {
        step_instance();
    } else if (choice <= 950) {
        clock_.advance_ns(dice_.roll(0, 600'000));
    } else if (choice <= 985) {
        cancel();
    } else if (choice <= 999) {
        publish();
    } else {
        closed_ = true;
        if (!server_->drain(clock_.now_ns())) {
            violate("a drain that runs everything itself left requests in flight");
        }
    }
    for (const auto& [name, entry] : published_) {
        for (const auto& [number, version] : entry) {
            if (version != nullptr) {
                check_statistics(*version);
            }
        }
    }
}

// ---- requests

void Simulation::send() {
    std::unique_ptr<InferenceRequest> request = random_request();
    uint64_t tag = request->tag;
    Sent sent;
    sent.cancellation = request->cancellation;
    sent.inputs = request->inputs;
    for (const RequestedOutput& output : request->outputs) {
        sent.outputs.push_back(output.name);
    }
    if (sent.outputs.empty()) {
        sent.outputs = {"OUTPUT0", "OUTPUT1"};
    }
    Status expected = expected_refusal(*request);
    SimulatedVersion* version = version_of(request->model_name, request->model_version);
    Status status = server_->infer(request);
    if (!(status == expected)) {
        violate("infer said '" + std::string(status.message()) + "' instead of '" +
                std::string(expected.message()) + "'");
    } else if (status.ok() != (request == nullptr)) {
        violate("infer took a request that it refused, or left one that it took");
    } else if (status.ok()) {
        note_taken(*version, std::move(sent), tag);
    } else {
        if (version != nullptr && !closed_ && status.code() == StatusCode::kUnavailable) {
            ++version->rejected;
        }
        for (size_t index = 0; index < sent.inputs.size(); ++index) {
            if (!are_same_tensors(request->inputs[index], sent.inputs[index])) {
                violate("a refused request came back with other inputs");
            }
        }
    }
}

void Simulation::note_taken(SimulatedVersion& version, Sent sent, uint64_t tag) {
    sent.version = &version;
    sent_.emplace(tag, std::move(sent));
    version.unanswered.push_back(tag);
    ++version.taken;
    ++taken_;
}

std::string Simulation::random_name() {
    return kNames[dice_.roll(0, static_cast<int64_t>(std::size(kNames)) - 1)];
}

std::unique_ptr<InferenceRequest> Simulation::random_request() {
    auto request = std::make_unique<InferenceRequest>();
    request->model_name = dice_.one_in(40) ? "ghost" : random_name();
    request->model_version = dice_.one_in(3) ? dice_.roll(1, kVersions) : -1;
    request->tag = next_tag_++;
    request->id = dice_.one_in(2) ? "" : std::to_string(request->tag);
    request->sink = this;
    request->priority = static_cast<uint64_t>(dice_.roll(0, 5));
    request->timeout_us = dice_.one_in(2) ? 0 : static_cast<uint64_t>(dice_.roll(1, 1000));
    if (dice_.one_in(3)) {
        request->cancellation = std::make_shared<Cancellation>();
    }
    SimulatedVersion* version = version_of(request->model_name, request->model_version);
    bool batching = version != nullptr && version->batches();
    int64_t max_rows = batching ? version->config.executor.max_batch_size : 1;
    int64_t rows = dice_.roll(0, max_rows) + (dice_.one_in(30) ? max_rows : 0);
    bool variable =
        version != nullptr && version->config.executor.inputs[0].dims[0] == -1;
    int64_t width = variable ? dice_.roll(0, 2) : 2;
    std::vector<float> values(static_cast<size_t>((batching ? rows : 1) * width));
    for (size_t index = 0; index < values.size(); ++index) {
        values[index] = static_cast<float>(request->tag * 64 + index);
    }
    request->inputs.push_back(
        make_tensor<float>("INPUT0", batching ? Shape{rows, width} : Shape{width}, values));
    bool optional = version != nullptr && version->config.executor.inputs[1].optional;
    if (!optional || dice_.one_in(2)) {
        std::vector<std::string> strings(static_cast<size_t>(batching ? rows : 1),
                                         "of " + std::to_string(request->tag));
        request->inputs.push_back(
            make_string_tensor("INPUT1", batching ? Shape{rows, 1} : Shape{1}, strings));
    }
    if (dice_.one_in(3)) {
        request->outputs.emplace_back().name = dice_.one_in(2) ? "OUTPUT0" : "OUTPUT1";
    }
    return request;
}

// The error that infer must give, or OK.
Status Simulation::expected_refusal(const InferenceRequest& request) const {
    const std::string subject = "Request for unknown model: '" + request.model_name + "'";
    const std::string prefix =
        "[request id: " + (request.id.empty() ? "<id_unknown>" : request.id) + "] ";
    auto entry = published_.find(request.model_name);
    if (entry == published_.end()) {
        return not_found(subject + " is not found");
    }
    SimulatedVersion* version = version_of(request.model_name, request.model_version);
    if (version == nullptr) {
        std::string number = std::to_string(request.model_version);
        if (request.model_version == -1) {
            return not_found(subject + " has no available versions");
        }
        return entry->second.contains(request.model_version)
                   ? unavailable(subject + " version " + number + " is not at ready state")
                   : not_found(subject + " version " + number + " is not found");
    }
    if (closed_) {
        return unavailable(prefix + "Server is stopping, scheduler for model has stopped "
                                    "accepting new inference requests");
    }
    int32_t max_batch_size = version->config.executor.max_batch_size;
    if (max_batch_size > 0 && request.inputs[0].shape[0] > max_batch_size) {
        return invalid_arg(prefix + "inference request batch-size must be <= " +
                           std::to_string(max_batch_size) + " for '" + version->name + "'");
    }
    // Answers that wait for earlier ones: no longer in flight, not delivered either.
    const uint64_t held = version->unanswered.size() - version->model->in_flight();
    const uint32_t limit = queue_size_of(version->config.batcher.queue.default_policy);
    if (version->model->statistics().pending == limit || held >= limit) {
        return unavailable(prefix + "Exceeds maximum queue size");
    }
    return Status();
}

SimulatedVersion* Simulation::version_of(const std::string& name, int64_t version) const {
    auto entry = published_.find(name);
    if (entry == published_.end()) {
        return nullptr;
    }
    SimulatedVersion* newest = nullptr;
    for (const auto& [number, one] : entry->second) {
        if (one != nullptr && (version == -1 || version == number)) {
            newest = one;
        }
    }
    return newest;
}

void Simulation::cancel() {
    for (auto& [tag, sent] : sent_) {
        if (sent.cancellation != nullptr && dice_.one_in(4)) {
            sent.cancellation->requested = true;
        }
    }
}

// ---- responses

void Simulation::deliver(std::unique_ptr<InferenceResponse> response) {
    if (!response->final || response->request == nullptr) {
        violate("a response did not bring its request home");
        return;
    }
    uint64_t tag = response->request->tag;
    auto found = sent_.find(tag);
    if (found == sent_.end()) {
        violate("request " + std::to_string(tag) + " was answered twice");
        return;
    }
    Sent sent = std::move(found->second);
    sent_.erase(found);
    SimulatedVersion& version = *sent.version;
    auto place = std::find(version.unanswered.begin(), version.unanswered.end(), tag);
    if (version.config.batcher.preserve_ordering && place != version.unanswered.begin()) {
        violate("request " + std::to_string(tag) + " was answered before an earlier one");
    }
    version.unanswered.erase(place);
    if (response->model->name != version.name || response->model->version != version.version) {
        violate("request " + std::to_string(tag) + " was answered by another version");
    }
    if (!sent.outcome) {
        note_dropped(version, sent, response->status);
    } else if (!(response->status == *sent.outcome)) {
        violate("request " + std::to_string(tag) + " heard '" +
                std::string(response->status.message()) + "'");
    } else if (response->status.ok()) {
        ++version.succeeded;
        check_outputs(sent, *response);
    } else {
        ++version.failed;
    }
}

// A request that was answered without having run.
void Simulation::note_dropped(SimulatedVersion& version, const Sent& sent, const Status& status) {
    const bool may_time_out = version.config.batcher.queue.have_timeouts();
    if (may_time_out && status == unavailable("Request timeout expired")) {
        ++version.timed_out;
        return;
    }
    bool was_cancelled = sent.cancellation != nullptr && sent.cancellation->requested;
    if (!was_cancelled || !(status == cancelled(""))) {
        violate("a request was answered without having run: " + std::string(status.message()));
    }
    ++version.cancelled;
}

void Simulation::check_outputs(const Sent& sent, const InferenceResponse& response) {
    bool right = response.outputs.size() == sent.outputs.size();
    for (const std::string& name : sent.outputs) {
        auto output = std::find_if(response.outputs.begin(), response.outputs.end(),
                                   [&](const Tensor& one) { return one.name == name; });
        if (output == response.outputs.end()) {
            right = false;
        } else if (name == "OUTPUT0") {
            right = right && are_same_tensors(*output, sent.inputs[0]);
        } else if (sent.inputs.size() == 2) {
            right = right && are_same_tensors(*output, sent.inputs[1]);
        } else {
            auto elements = static_cast<size_t>(*output->shape.element_count());
            right = right && output->data.size() == elements * kBytesLengthSize;  // all empty
        }
    }
    if (!right) {
        violate("request " + std::to_string(response.request->tag) + " got wrong outputs");
    }
}

// ---- instances

void Simulation::step_instance() {
    const std::string name = random_name();
    SimulatedVersion* version = version_of(name, dice_.one_in(2) ? dice_.roll(1, kVersions) : -1);
    if (version == nullptr) {
        return;
    }
    if (QueueWatch* watch = version->model->queue_watch(); watch != nullptr && dice_.one_in(4)) {
        watch->step();
        return;
    }
    auto instances = version->model->instances();
    ModelInstance& instance =
        *instances[static_cast<size_t>(dice_.roll(0, static_cast<int64_t>(instances.size()) - 1))];
    if (instance.busy()) {
        instance.complete();
        return;
    }
    Pull pull = instance.take();
    check_pull(*version, instance, pull);
    if (instance.busy() && dice_.one_in(2)) {
        instance.complete();
    }
}

void Simulation::check_pull(SimulatedVersion& version, ModelInstance& instance, const Pull& pull) {
    uint64_t pending = version.model->statistics().pending;
    if (instance.busy() != (pull.kind == Pull::Kind::kBatch)) {
        violate("an instance got a batch and was told otherwise, or the other way round");
    }
    if (pull.kind == Pull::Kind::kStopped && !closed_) {
        violate("an instance of a published model was told to end");
    }
    bool held_back = version.config.batcher.delay_until_queued > 0;
    if (pull.kind == Pull::Kind::kIdle && pending > 0 && !held_back) {
        violate("an idle instance left " + std::to_string(pending) + " requests queued");
    }
    if (pull.kind != Pull::Kind::kWait) {
        return;
    }
    int64_t delay_ns = version.config.batcher.max_queue_delay_us * 1000;
    if (pull.wait_until_ns <= clock_.now_ns() || pull.wait_until_ns > clock_.now_ns() + delay_ns) {
        violate("an instance was told to wait until a time that is past or too late");
    } else if (dice_.one_in(3)) {
        clock_.advance_ns(pull.wait_until_ns - clock_.now_ns());
        instance.take();
        const bool may_time_out = version.config.batcher.queue.have_timeouts();
        if (!instance.busy() && version.model->statistics().pending > 0 && !may_time_out) {
            violate("a wait that was over was not");
        }
    }
}

// ---- versions

std::unique_ptr<Model> Simulation::build(const std::string& name, int64_t version,
                                         std::vector<SimulatedVersion*>& built) {
    auto& simulated = *versions_.emplace_back(std::make_unique<SimulatedVersion>());
    simulated.name = name;
    simulated.version = version;
    simulated.config = random_config(dice_, name, version);
    simulated.config.executor.parameters["index"] = std::to_string(versions_.size() - 1);
    bool fails = dice_.one_in(6);
    if (fails) {
        simulated.config.instances.back().kind = "KIND_GPU";
    }
    auto model = server_->build_model(simulated.config);
    if (model.ok() == fails) {
        violate("build_model did not do what the config says");
    }
    if (!model.ok()) {
        server_->note_unavailable(name, {version});
        published_[name].try_emplace(version, nullptr);
        return nullptr;
    }
    simulated.model = model.value().get();
    built.push_back(&simulated);
    return std::move(model).value();
}

void Simulation::publish() {
    const std::string name = random_name();
    std::vector<std::unique_ptr<Model>> models;
    std::vector<SimulatedVersion*> built;
    std::vector<int64_t> retire;
    for (int64_t version = 1; version <= kVersions; ++version) {
        if (dice_.one_in(2)) {
            if (auto model = build(name, version, built)) {
                models.push_back(std::move(model));
            }
        } else if (dice_.one_in(3)) {
            retire.push_back(version);
        }
    }
    std::map<int64_t, SimulatedVersion*>& entry = published_[name];
    std::vector<SimulatedVersion*> gone;
    auto take_out = [&](int64_t version) {
        auto found = entry.find(version);
        if (found != entry.end() && found->second != nullptr) {
            gone.push_back(found->second);
            found->second = nullptr;
        }
    };
    std::for_each(retire.begin(), retire.end(), take_out);
    for (SimulatedVersion* version : built) {
        take_out(version->version);
        entry[version->version] = version;
    }
    server_->publish(name, std::move(models), retire);
    for (SimulatedVersion* version : gone) {
        version->model = nullptr;
        if (!version->unanswered.empty()) {
            violate("an unloaded version left requests unanswered");
        }
    }
}

// ---- the books

void Simulation::check_statistics(const SimulatedVersion& version) {
    ModelStatsSnapshot stats = version.model->statistics();
    uint64_t rejected = stats.failures_by_reason[static_cast<size_t>(FailureReason::kRejected)];
    uint64_t answered = stats.success.count + stats.fail.count - rejected;
    if (rejected != version.rejected + version.timed_out ||
        answered + version.timed_out + version.model->in_flight() != version.taken) {
        violate("the statistics of " + version.name + " lost a request");
    }
    if (stats.pending > version.model->in_flight() ||
        stats.pending > queue_size_of(version.config.batcher.queue.default_policy)) {
        violate("more requests are queued than may be");
    }
}

void Simulation::check_final_statistics(const SimulatedVersion& version) {
    auto stats = server_->statistics(version.name, version.version);
    if (!stats.ok()) {
        violate("a published version has no statistics");
        return;
    }
    const ModelStatsSnapshot& got = stats.value();
    const std::array<uint64_t, kFailureReasons> failures = {
        version.rejected + version.timed_out, version.cancelled, version.failed, 0};
    uint64_t batches = 0;
    bool right = got.batch_stats.size() == version.batches_run.size();
    for (const auto& [rows, count] : version.batches_run) {
        batches += count;
        auto found = got.batch_stats.find(rows);
        right = right && found != got.batch_stats.end() &&
                found->second.compute_infer.count == count;
    }
    right = right && got.success.count == version.succeeded &&
            got.failures_by_reason == failures && got.inference_count == version.rows_run &&
            got.execution_count == batches && got.queue.count == got.success.count &&
            got.compute_infer.count == got.success.count && got.pending == 0;
    if (!right) {
        violate("the final statistics of " + version.name + " are wrong");
    }
}

void Simulation::finish() {
    closed_ = true;
    if (!server_->drain(clock_.now_ns()) || !server_->in_flight().empty()) {
        violate("the final drain left requests in flight");
    }
    if (!sent_.empty()) {
        violate(std::to_string(sent_.size()) + " requests were never answered");
    }
    for (const auto& [name, entry] : published_) {
        for (const auto& [number, version] : entry) {
            if (version != nullptr) {
                check_final_statistics(*version);
            }
        }
    }
}

void Simulation::violate(const std::string& text) { violations_ += text + "\n"; }

}  // namespace tritonpy
