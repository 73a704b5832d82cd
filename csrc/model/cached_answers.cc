#include "model/cached_answers.h"

#include <bit>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace tritonpy {

namespace {

void add_value(KeyedHash& hash, const ParameterValue& value) {
    hash.add_number(value.index());
    std::visit(
        [&hash](const auto& given) {
            using Given = std::decay_t<decltype(given)>;
            if constexpr (std::is_same_v<Given, std::string>) {
                hash.add_text(given);
            } else if constexpr (std::is_same_v<Given, double>) {
                hash.add_number(std::bit_cast<uint64_t>(given));
            } else {
                hash.add_number(static_cast<uint64_t>(given));
            }
        },
        value);
}

void add_tensor(KeyedHash& hash, const Tensor& tensor) {
    hash.add_text(tensor.name);
    hash.add_number(static_cast<uint64_t>(tensor.data_type));
    hash.add_number(tensor.shape.rank());
    hash.add(std::as_bytes(tensor.shape.dims()));
    hash.add_number(tensor.data.size());
    hash.add(tensor.data);
}

}  // namespace

// Stands between a request and its sink; is freed by the final response, or by withdraw.
class CachedAnswers::Keeper final : public ResponseSink {
  public:
    Keeper(CachedAnswers& answers, const ResponseCache::Key& key, ResponseSink& sink,
           int64_t lookup_ns)
        : answers_(answers), key_(key), sink_(sink), lookup_ns_(lookup_ns) {}

    ResponseSink& sink() { return sink_; }

    void deliver(std::unique_ptr<InferenceResponse> response) override {
        if (!response->final) {
            is_whole_ = false;
            sink_.deliver(std::move(response));
            return;
        }
        const std::unique_ptr<Keeper> freed(this);
        response->request->sink = &sink_;
        if (is_whole_ && response->status.ok()) {
            answers_.keep(key_, *response, lookup_ns_);
        }
        sink_.deliver(std::move(response));
    }

  private:
    CachedAnswers& answers_;
    const ResponseCache::Key key_;
    ResponseSink& sink_;
    const int64_t lookup_ns_;
    bool is_whole_ = true;  // no response came before the final one
};

CachedAnswers::CachedAnswers(ResponseCache& cache,
                             const std::shared_ptr<const ModelIdentity>& identity,
                             ModelStats& stats, const Clock& clock, Log& log)
    : cache_(cache),
      owner_(cache.add_owner()),
      identity_(identity),
      stats_(stats),
      cell_(stats.add_cell()),
      clock_(clock),
      log_(log) {}

CachedAnswers::~CachedAnswers() { cache_.forget(owner_); }

bool CachedAnswers::try_answer(std::unique_ptr<InferenceRequest>& request, bool may_answer) {
    const int64_t start_ns = clock_.now_ns();
    const ResponseCache::Key key = key_of(*request);
    const std::shared_ptr<const CachedResponse> cached =
        may_answer ? cache_.find(key, start_ns) : nullptr;
    const int64_t lookup_ns = clock_.now_ns() - start_ns;
    if (cached != nullptr) {
        answer(std::move(request), *cached, lookup_ns);
        return true;
    }
    // Not owned from here on: the request's answer, which is certain to come, frees it.
    request->sink = std::make_unique<Keeper>(*this, key, *request->sink, lookup_ns).release();
    return false;
}

void CachedAnswers::withdraw(InferenceRequest& request) {
    const std::unique_ptr<Keeper> freed(static_cast<Keeper*>(request.sink));
    request.sink = &freed->sink();
}

ResponseCache::Key CachedAnswers::key_of(const InferenceRequest& request) const {
    KeyedHash hash = cache_.start_key(owner_);
    hash.add_number(request.inputs.size());
    for (const Tensor& input : request.inputs) {
        add_tensor(hash, input);
    }
    hash.add_number(request.outputs.size());
    for (const RequestedOutput& output : request.outputs) {
        hash.add_text(output.name);
    }
    hash.add_number(request.parameters.size());
    for (const Parameter& parameter : request.parameters) {
        hash.add_text(parameter.name);
        add_value(hash, parameter.value);
    }
    hash.add_number(request.flags);
    hash.add_number(request.correlation_id.index());
    if (const auto* number = std::get_if<uint64_t>(&request.correlation_id)) {
        hash.add_number(*number);
    } else {
        hash.add_text(std::get<std::string>(request.correlation_id));
    }
    return hash.finish();
}

void CachedAnswers::answer(std::unique_ptr<InferenceRequest> request,
                           const CachedResponse& cached, int64_t lookup_ns) {
    auto response = std::make_unique<InferenceResponse>();
    response->model = identity_;
    response->outputs = cached.outputs;
    response->parameters = cached.parameters;
    response->tag = request->tag;
    cell_.count_cache_hit(clock_.now_ns() - request->trace.request_start_ns, lookup_ns);
    stats_.count_first_response(*request, clock_);
    ResponseSink& sink = *request->sink;
    response->request = std::move(request);
    sink.deliver(std::move(response));
}

void CachedAnswers::keep(const ResponseCache::Key& key, const InferenceResponse& response,
                         int64_t lookup_ns) {
    const int64_t start_ns = clock_.now_ns();
    const Status kept = cache_.insert(owner_, key, response);
    cell_.count_cache_miss(lookup_ns + clock_.now_ns() - start_ns);
    if (!kept.ok() && kept.code() != StatusCode::kAlreadyExists) {
        TRITONPY_LOG(log_, LogLevel::kError, std::string(kept.message()));
    }
}

}  // namespace tritonpy
