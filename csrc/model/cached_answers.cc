#include "model/cached_answers.h"

#include <string>
#include <utility>

namespace tritonpy {

// Stands between a request and its sink; is freed by the final response, or by withdraw.
class CachedAnswers::Keeper final : public ResponseSink {
  public:
    Keeper(CachedAnswers& answers, const CacheKey& key, ResponseSink& sink, int64_t lookup_ns)
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
    const CacheKey key_;
    ResponseSink& sink_;
    const int64_t lookup_ns_;
    bool is_whole_ = true;  // no response came before the final one
};

// A request whose answer is being sought.
class CachedAnswers::Lookup final : public AnswerWaiter {
  public:
    Lookup(CachedAnswers& answers, std::unique_ptr<InferenceRequest> request, const CacheKey& key,
           int64_t start_ns)
        : answers_(answers), request_(std::move(request)), key_(key), start_ns_(start_ns) {}

    std::unique_ptr<InferenceRequest> give_back() { return std::move(request_); }

    void end_lookup(const std::shared_ptr<const CachedResponse>& found) override {
        const int64_t lookup_ns = answers_.clock_.now_ns() - start_ns_;
        LookupHost& host = answers_.host_;
        if (found != nullptr) {
            answers_.answer(std::move(request_), *found, lookup_ns);
        } else {
            answers_.watch(*request_, key_, lookup_ns);
            host.queue_late(std::move(request_));
        }
        host.end_lookup();
    }

  private:
    CachedAnswers& answers_;
    std::unique_ptr<InferenceRequest> request_;
    const CacheKey key_;
    const int64_t start_ns_;
};

CachedAnswers::CachedAnswers(std::unique_ptr<AnswerShelf> shelf, LookupHost& host,
                             const std::shared_ptr<const ModelIdentity>& identity,
                             ModelStats& stats, const Clock& clock, Log& log)
    : shelf_(std::move(shelf)),
      host_(host),
      identity_(identity),
      stats_(stats),
      cell_(stats.add_cell()),
      clock_(clock),
      log_(log) {}

CachedAnswers::~CachedAnswers() = default;

bool CachedAnswers::try_answer(std::unique_ptr<InferenceRequest>& request, bool may_answer) {
    const int64_t start_ns = clock_.now_ns();
    const CacheKey key = shelf_->key_of(*request);
    if (may_answer && shelf_->is_remote() && try_seek(request, key, start_ns)) {
        return true;
    }
    const std::shared_ptr<const CachedResponse> cached =
        may_answer ? shelf_->find(key, start_ns) : nullptr;
    const int64_t lookup_ns = clock_.now_ns() - start_ns;
    if (cached != nullptr) {
        answer(std::move(request), *cached, lookup_ns);
        return true;
    }
    watch(*request, key, lookup_ns);
    return false;
}

bool CachedAnswers::try_seek(std::unique_ptr<InferenceRequest>& request, const CacheKey& key,
                             int64_t start_ns) {
    if (!host_.begin_lookup()) {
        return false;
    }
    auto lookup = std::make_unique<Lookup>(*this, std::move(request), key, start_ns);
    Lookup& begun = *lookup;
    std::unique_ptr<AnswerWaiter> waiter = std::move(lookup);
    if (!shelf_->seek(key, start_ns, waiter)) {
        request = begun.give_back();
        host_.end_lookup();
        return false;
    }
    return true;
}

void CachedAnswers::watch(InferenceRequest& request, const CacheKey& key, int64_t lookup_ns) {
    // Not owned from here on: the request's answer, which is certain to come, frees it.
    request.sink = std::make_unique<Keeper>(*this, key, *request.sink, lookup_ns).release();
}

void CachedAnswers::withdraw(InferenceRequest& request) {
    const std::unique_ptr<Keeper> freed(static_cast<Keeper*>(request.sink));
    request.sink = &freed->sink();
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

void CachedAnswers::keep(const CacheKey& key, const InferenceResponse& response,
                         int64_t lookup_ns) {
    const int64_t start_ns = clock_.now_ns();
    const Status kept = shelf_->insert(key, response);
    cell_.count_cache_miss(lookup_ns + clock_.now_ns() - start_ns);
    if (!kept.ok() && kept.code() != StatusCode::kAlreadyExists) {
        TRITONPY_LOG(log_, LogLevel::kError, std::string(kept.message()));
    }
}

}  // namespace tritonpy
