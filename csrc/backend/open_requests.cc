#include "backend/open_requests.h"

#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

static_assert(limits::kMaxOpenRequests <= SharedArena::kReserved, "each place has a flag");

uint64_t key_of(uint32_t generation, uint32_t index) {
    return (uint64_t{generation} << 32) | index;
}

std::unique_ptr<InferenceResponse> error_response(const Status& status) {
    auto response = std::make_unique<InferenceResponse>();
    response->status = status;
    return response;
}

}  // namespace

Status OpenRequests::reserve(size_t count, std::vector<OpenRequestKey>& keys) {
    keys.clear();
    std::lock_guard lock(mutex_);
    if (entries_.size() - free_.size() + count > limits::kMaxOpenRequests) {
        return unavailable("model instance '" + instance_name_ + "' has left " +
                           std::to_string(entries_.size() - free_.size()) +
                           " requests unanswered and can take no more");
    }
    for (; count > 0; --count) {
        if (free_.empty()) {
            free_.push_back(static_cast<uint32_t>(entries_.size()));
            entries_.emplace_back();
        }
        uint32_t index = free_.back();
        free_.pop_back();
        keys.push_back({key_of(entries_[index].generation, index), index});
    }
    return Status();
}

void OpenRequests::give_up(const std::vector<OpenRequestKey>& keys) {
    std::lock_guard lock(mutex_);
    for (const OpenRequestKey& key : keys) {
        release(static_cast<uint32_t>(key.key));
    }
}

void OpenRequests::put(const OpenRequestKey& key, std::unique_ptr<InferenceRequest> request) {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_[static_cast<uint32_t>(key.key)];
    TRITONPY_CHECK(entry.request == nullptr);
    entry.request = std::move(request);
    entry.cancelled = key.cancel_index == OpenRequestKey::kNotCancellable;
    open_.fetch_add(1, std::memory_order_seq_cst);
}

OpenRequests::Entry* OpenRequests::find(uint64_t key) {
    auto index = static_cast<uint32_t>(key);
    if (index >= entries_.size() || entries_[index].generation != key >> 32 ||
        entries_[index].request == nullptr || entries_[index].ending) {
        return nullptr;
    }
    return &entries_[index];
}

// Gives a model that is not decoupled its one response. False: there is nothing to say yet.
bool OpenRequests::complete(Entry& entry, Answer& answer) const {
    if (decoupled_) {
        return answer.final || answer.response != nullptr;
    }
    if (!answer.final) {
        if (entry.held == nullptr) {
            entry.held = std::move(answer.response);
        }
        return false;
    }
    if (answer.response == nullptr) {
        answer.response = std::move(entry.held);
    }
    if (answer.response == nullptr) {
        answer.response = error_response(
            internal_error("model instance '" + instance_name_ + "' sent no response"));
    }
    return true;
}

void OpenRequests::answer(uint64_t key, std::unique_ptr<InferenceResponse> response, bool final) {
    take(key, {std::move(response), final, false});
}

void OpenRequests::reschedule(uint64_t key) { take(key, {nullptr, true, true}); }

void OpenRequests::take(uint64_t key, Answer next) {
    std::unique_lock lock(mutex_);
    Entry* entry = find(key);
    if (entry == nullptr || (!next.reschedules && !complete(*entry, next))) {
        return;
    }
    entry->ending = next.final;
    if (entry->answering) {
        entry->waiting.push_back(std::move(next));  // that thread looks again before it leaves
        return;
    }
    deliver(*entry, static_cast<uint32_t>(key), std::move(next), lock);
}

void OpenRequests::deliver(Entry& entry, uint32_t index, Answer answer,
                           std::unique_lock<std::mutex>& lock) {
    entry.answering = true;
    while (!answer.final) {
        const InferenceRequest& request = *entry.request;
        lock.unlock();
        outlet_->respond(request, std::move(answer.response));
        lock.lock();
        if (entry.waiting.empty()) {
            entry.answering = false;
            return;
        }
        answer = std::move(entry.waiting.front());
        entry.waiting.erase(entry.waiting.begin());
    }
    std::unique_ptr<InferenceRequest> request = std::move(entry.request);
    release(index);
    lock.unlock();
    if (answer.reschedules) {
        outlet_->reschedule(std::move(request));
    } else {
        outlet_->finish(std::move(request), std::move(answer.response));
    }
    lock.lock();
    if (open_.fetch_sub(1, std::memory_order_seq_cst) == 1) {
        empty_.notify_all();
    }
}

void OpenRequests::release(uint32_t index) {
    Entry& entry = entries_[index];
    ++entry.generation;
    entry.answering = entry.ending = entry.cancelled = false;
    entry.request.reset();
    entry.held.reset();
    entry.waiting.clear();
    free_.push_back(index);
}

void OpenRequests::fail(uint64_t key, const Status& status) {
    answer(key, error_response(status), true);
}

void OpenRequests::fail_all(const Status& status) {
    std::vector<uint64_t> keys;
    {
        std::lock_guard lock(mutex_);
        for (size_t index = 0; index < entries_.size(); ++index) {
            if (entries_[index].request != nullptr) {
                keys.push_back(key_of(entries_[index].generation, static_cast<uint32_t>(index)));
            }
        }
    }
    for (uint64_t key : keys) {
        fail(key, status);
    }
}

void OpenRequests::look_for_cancelled(SharedArena& flags) {
    std::lock_guard lock(mutex_);
    for (size_t index = 0; index < entries_.size(); ++index) {
        Entry& entry = entries_[index];
        if (entry.request != nullptr && !entry.cancelled && entry.request->is_cancelled()) {
            entry.cancelled = true;
            flags.set_flag(index, true);  // under the lock: the place may be another's right after
        }
    }
}

std::string OpenRequests::described() {
    constexpr size_t kNamed = 4;
    std::lock_guard lock(mutex_);
    size_t found = 0;
    std::string ids;
    for (const Entry& entry : entries_) {
        if (entry.request != nullptr && found++ < kNamed) {
            const std::string& id = entry.request->id;
            ids += (ids.empty() ? "" : ", ") + (id.empty() ? "<id_unknown>" : id);
        }
    }
    if (found == 0) {
        return "";
    }
    return std::to_string(found) + (found == 1 ? " request" : " requests") + " [request id: " +
           ids + (found > kNamed ? ", ..." : "") + "]";
}

bool OpenRequests::wait_until_empty(int64_t timeout_ns) {
    std::unique_lock lock(mutex_);
    return empty_.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                           [this] { return count() == 0; });
}

}  // namespace tritonpy
