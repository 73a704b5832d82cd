#include "model/remote_cache.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <span>
#include <utility>

#include "base/sha256.h"
#include "model/cached_answer_bytes.h"
#include "model/hiredis_link.h"
#include "model/request_hash.h"

namespace tritonpy {

namespace {

// Of all keys: a change of what is hashed, or of how answers are written, must change it.
constexpr std::string_view kNamespace = "tritonpy:answer:1:";

std::string hex_of(const CacheKey& key) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : std::as_bytes(std::span(key.words))) {
        text += kDigits[std::to_integer<size_t>(byte) >> 4];
        text += kDigits[std::to_integer<size_t>(byte) & 15];
    }
    return text;
}

uint64_t non_negative(int64_t ns) { return static_cast<uint64_t>(std::max<int64_t>(ns, 0)); }

}  // namespace

// The model's name stands in the key for people, who may look for it or delete it.
class RemoteCache::Shelf final : public AnswerShelf {
  public:
    Shelf(RemoteCache& cache, const std::shared_ptr<const ModelIdentity>& model,
          std::string_view digest)
        : cache_(cache),
          model_(model),
          digest_(digest),
          prefix_(std::string(kNamespace) + model->name + ":" + std::to_string(model->version) +
                  ":") {}

    CacheKey key_of(const InferenceRequest& request) const override {
        Sha256 hash;
        hash.add_text(prefix_);
        hash.add_text(digest_);
        add_request(hash, request);
        return {std::bit_cast<decltype(CacheKey::words)>(hash.finish())};
    }
    bool is_remote() const override { return true; }
    std::shared_ptr<const CachedResponse> find(const CacheKey&, int64_t) override {
        return nullptr;
    }
    bool seek(const CacheKey& key, int64_t since_ns,
              std::unique_ptr<AnswerWaiter>& waiter) override {
        Job job{prefix_ + hex_of(key), since_ns, model_, std::move(waiter)};
        if (cache_.try_leave(job)) {
            return true;
        }
        waiter = std::move(job.waiter);
        return false;
    }
    Status insert(const CacheKey& key, const InferenceResponse& response) override {
        const int64_t since_ns = cache_.clock_.now_ns();
        if (const size_t size = answer_size(response); size > kMaxBytes) {
            return invalid_arg("Failed to insert key: " + prefix_ + hex_of(key) + ". " +
                               std::to_string(size) + " bytes are more than the " +
                               std::to_string(kMaxBytes) + " that an answer may have");
        }
        Job job{prefix_ + hex_of(key), since_ns, nullptr, nullptr, write_answer(response)};
        cache_.try_leave(job);  // or not: the next one like it will be
        return Status();
    }

  private:
    RemoteCache& cache_;
    const std::shared_ptr<const ModelIdentity> model_;
    const std::string digest_;
    const std::string prefix_;
};

Result<std::unique_ptr<RemoteCache>> RemoteCache::create(const RedisOptions& redis,
                                                         const Clock& clock, Log& log) {
    TRITONPY_ASSIGN_OR_RETURN(ConnectRedis connect, redis_connector(redis));
    RemoteCacheTimes times;
    times.lookup_ns = redis.socket_timeout_ms * 1'000'000;
    return create(std::move(connect), times, clock, log);
}

Result<std::unique_ptr<RemoteCache>> RemoteCache::create(ConnectRedis connect,
                                                         const RemoteCacheTimes& times,
                                                         const Clock& clock, Log& log) {
    TRITONPY_ASSIGN_OR_RETURN(std::unique_ptr<RedisLink> link, connect());
    return std::make_unique<RemoteCache>(std::move(connect), std::move(link), times, clock, log);
}

RemoteCache::RemoteCache(ConnectRedis connect, std::unique_ptr<RedisLink> link,
                         const RemoteCacheTimes& times, const Clock& clock, Log& log)
    : connect_(std::move(connect)),
      times_(times),
      clock_(clock),
      log_(log),
      link_(std::move(link)) {
    thread_.emplace("redis", [this] { run(); });
}

RemoteCache::~RemoteCache() {
    {
        std::lock_guard lock(mutex_);
        is_ending_ = true;
    }
    parking_.notify_all();
    thread_.reset();
}

std::unique_ptr<AnswerShelf> RemoteCache::open(const std::shared_ptr<const ModelIdentity>& model,
                                               std::string_view digest) {
    return std::make_unique<Shelf>(*this, model, digest);
}

CacheCounters RemoteCache::counters() const {
    std::lock_guard lock(mutex_);
    return counters_;
}

bool RemoteCache::try_leave(Job& job) {
    {
        std::lock_guard lock(mutex_);
        const bool fits = inbox_.size() < kMaxLookups && bytes_ + job.value.size() <= kMaxBytes;
        if (!is_linked_ || is_ending_ || !fits) {
            counters_.lookups += job.waiter != nullptr ? 1 : 0;
            return false;
        }
        bytes_ += job.value.size();
        inbox_.push_back(std::move(job));
    }
    parking_.notify_one();
    return true;
}

void RemoteCache::run() {
    std::vector<Job> burst;
    while (take_burst(burst)) {
        const Status served = serve(burst);
        burst.clear();
        if (!served.ok()) {
            lose_link(served);
            if (!restore_link()) {
                return;
            }
        }
    }
}

bool RemoteCache::take_burst(std::vector<Job>& burst) {
    while (true) {
        const Parking::Ticket ticket = parking_.prepare();
        const Taken taken = try_take_burst(burst);
        if (taken != Taken::kNothing) {
            parking_.cancel();
            return taken == Taken::kBurst;
        }
        parking_.wait(ticket);
    }
}

RemoteCache::Taken RemoteCache::try_take_burst(std::vector<Job>& burst) {
    std::lock_guard lock(mutex_);
    if (inbox_.empty()) {
        return is_ending_ ? Taken::kEnd : Taken::kNothing;
    }
    const auto end = inbox_.begin() + static_cast<ptrdiff_t>(std::min(kMaxBurst, inbox_.size()));
    for (auto job = inbox_.begin(); job != end; ++job) {
        bytes_ -= job->value.size();
    }
    std::move(inbox_.begin(), end, std::back_inserter(burst));
    inbox_.erase(inbox_.begin(), end);
    return Taken::kBurst;
}

Status RemoteCache::serve(std::vector<Job>& burst) {
    const int64_t now_ns = clock_.now_ns();
    std::erase_if(burst, [&](Job& job) {
        const bool is_late = job.waiter != nullptr && now_ns - job.since_ns > times_.lookup_ns;
        if (is_late) {
            end_lookup(job, nullptr);
        }
        return is_late;
    });
    for (const Job& job : burst) {
        job.waiter != nullptr ? link_->get(job.key) : link_->set(job.key, job.value);
    }
    Status status;
    for (Job& job : burst) {
        if (status.ok()) {
            status = finish(job);
        } else if (job.waiter != nullptr) {
            end_lookup(job, nullptr);
        }
    }
    return status;
}

Status RemoteCache::finish(Job& job) {
    Result<RedisReply> reply = link_->receive();
    if (job.waiter == nullptr) {
        if (reply.ok()) {
            note_insertion(job, reply.value().refusal);
        }
        return reply.status();
    }
    const bool has_value = reply.ok() && reply.value().value;
    end_lookup(job, has_value ? read_answer(reply.value().value, *job.model) : nullptr);
    return reply.status();
}

void RemoteCache::end_lookup(Job& job, const std::shared_ptr<const CachedResponse>& found) {
    {
        std::lock_guard lock(mutex_);
        ++counters_.lookups;
        counters_.hits += found != nullptr ? 1 : 0;
        counters_.lookup_ns += non_negative(clock_.now_ns() - job.since_ns);
    }
    const std::unique_ptr<AnswerWaiter> waiter = std::move(job.waiter);
    waiter->end_lookup(found);
}

void RemoteCache::note_insertion(const Job& job, const std::string& refusal) {
    const bool refused = !refusal.empty();
    if (refused && !refuses_) {
        TRITONPY_LOG(log_, LogLevel::kError,
                     "Failed to insert key: " + job.key + ". " + refusal +
                         " (said once until redis keeps answers again)");
    }
    refuses_ = refused;
    std::lock_guard lock(mutex_);
    counters_.insertion_ns += non_negative(clock_.now_ns() - job.since_ns);
}

void RemoteCache::lose_link(const Status& reason) {
    TRITONPY_LOG(log_, LogLevel::kWarning,
                 "lost the connection to Redis: " + std::string(reason.message()) +
                     "; models serve without their response cache until it is back");
    link_.reset();
    std::deque<Job> given_up;
    {
        std::lock_guard lock(mutex_);
        is_linked_ = false;
        bytes_ = 0;
        given_up.swap(inbox_);
    }
    for (Job& job : given_up) {
        if (job.waiter != nullptr) {
            end_lookup(job, nullptr);
        }
    }
}

bool RemoteCache::restore_link() {
    int64_t delay_ns = times_.first_retry_ns;
    while (sleep(delay_ns)) {
        Result<std::unique_ptr<RedisLink>> link = connect_();
        if (link.ok()) {
            link_ = std::move(link).value();
            TRITONPY_LOG(log_, LogLevel::kInfo, "the connection to Redis is back");
            std::lock_guard lock(mutex_);
            is_linked_ = true;
            return true;
        }
        delay_ns = std::min(2 * delay_ns, times_.last_retry_ns);
    }
    return false;
}

bool RemoteCache::sleep(int64_t ns) {
    const int64_t deadline_ns = SteadyClock().now_ns() + ns;
    while (true) {
        const Parking::Ticket ticket = parking_.prepare();
        {
            std::lock_guard lock(mutex_);
            if (is_ending_ || SteadyClock().now_ns() >= deadline_ns) {
                parking_.cancel();
                return !is_ending_;
            }
        }
        parking_.wait_until(ticket, deadline_ns);
    }
}

}  // namespace tritonpy
