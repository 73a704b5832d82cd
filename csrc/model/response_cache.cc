#include "model/response_cache.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "model/request_hash.h"

namespace tritonpy {

namespace {

// Nodes of list and table, headers of what an entry points at, and what allocators add to them.
constexpr size_t kEntryOverhead = 448;
// Entries that an owner loses before others get the mutex again.
constexpr size_t kForgottenAtOnce = 64;
// Where an output begins in its entry's bytes: any element type may lie there.
constexpr size_t kAlignment = 16;

size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

size_t data_size(const InferenceResponse& response) {
    size_t size = 0;
    for (const Tensor& output : response.outputs) {
        size += aligned(output.data.size());
    }
    return size;
}

size_t size_of_value(const ParameterValue& value) {
    const auto* text = std::get_if<std::string>(&value);
    return text == nullptr ? 0 : text->capacity();
}

size_t charge_of(const InferenceResponse& response) {
    size_t charge = kEntryOverhead + data_size(response);
    for (const Tensor& output : response.outputs) {
        charge += sizeof(Tensor) + output.name.capacity() + output.shape.rank() * sizeof(int64_t);
    }
    for (const Parameter& parameter : response.parameters) {
        charge += sizeof(Parameter) + parameter.name.capacity() + size_of_value(parameter.value);
    }
    return charge;
}

// Bytes of the heap and not of a pool, whose size classes would make them up to twice as many.
BufferRef allocate_bytes(size_t size) {
    auto bytes = std::make_unique_for_overwrite<std::byte[]>(size);
    std::byte* data = bytes.get();
    return wrap_external(data, size, bytes.release(), [](void* owned) {
        std::unique_ptr<std::byte[]> freed(static_cast<std::byte*>(owned));
    });
}

std::shared_ptr<const CachedResponse> copy_of(const InferenceResponse& response) {
    auto copy = std::make_shared<CachedResponse>();
    copy->parameters = response.parameters;
    const BufferRef buffer = allocate_bytes(data_size(response));
    std::byte* at = buffer->data();
    for (const Tensor& output : response.outputs) {
        const size_t size = output.data.size();
        if (size > 0) {
            std::memcpy(at, output.data.data(), size);
        }
        copy->outputs.push_back({output.name, output.data_type, output.shape, {at, size}, buffer});
        at += aligned(size);
    }
    return copy;
}

std::string text_of(const ResponseCache::Key& key) {
    std::array<char, 33> text{};
    std::snprintf(text.data(), text.size(), "%016llx%016llx",
                  static_cast<unsigned long long>(key.high),
                  static_cast<unsigned long long>(key.low));
    return text.data();
}

// One owner's part. What is looked up here is found at once, or never.
class LocalShelf final : public AnswerShelf {
  public:
    explicit LocalShelf(ResponseCache& cache) : cache_(cache), owner_(cache.add_owner()) {}
    ~LocalShelf() override { cache_.forget(owner_); }

    CacheKey key_of(const InferenceRequest& request) const override {
        KeyedHash hash = cache_.start_key(owner_);
        add_request(hash, request);
        const ResponseCache::Key key = hash.finish();
        return {{key.low, key.high}};
    }
    bool is_remote() const override { return false; }
    std::shared_ptr<const CachedResponse> find(const CacheKey& key, int64_t since_ns) override {
        return cache_.find({key.words[0], key.words[1]}, since_ns);
    }
    bool seek(const CacheKey&, int64_t, std::unique_ptr<AnswerWaiter>&) override { return false; }
    Status insert(const CacheKey& key, const InferenceResponse& response) override {
        return cache_.insert(owner_, {key.words[0], key.words[1]}, response);
    }

  private:
    ResponseCache& cache_;
    const uint64_t owner_;
};

uint64_t non_negative(int64_t ns) { return static_cast<uint64_t>(std::max<int64_t>(ns, 0)); }

}  // namespace

ResponseCache::ResponseCache(size_t capacity, const Clock& clock)
    : capacity_(capacity), clock_(clock), secret_(KeyedHash::random_key()) {
    counters_.capacity = capacity;
}

std::unique_ptr<AnswerShelf> ResponseCache::open(const std::shared_ptr<const ModelIdentity>&,
                                                 std::string_view) {
    return std::make_unique<LocalShelf>(*this);
}

uint64_t ResponseCache::add_owner() {
    std::lock_guard lock(mutex_);
    return ++last_owner_;
}

void ResponseCache::forget(uint64_t owner) {
    for (bool is_more = true; is_more;) {
        Entries gone;
        std::lock_guard lock(mutex_);
        for (size_t i = 0; i < kForgottenAtOnce && by_owner_.contains(owner); ++i) {
            take_out(by_owner_.at(owner).front(), gone);
        }
        is_more = by_owner_.contains(owner);
    }
}

void ResponseCache::take_out(Entries::iterator entry, Entries& gone) {
    const auto own = by_owner_.find(entry->owner);
    own->second.erase(entry->place);
    if (own->second.empty()) {
        by_owner_.erase(own);
    }
    by_key_.erase(entry->key);
    counters_.bytes -= entry->charge;
    gone.splice(gone.end(), entries_, entry);
    counters_.entries = entries_.size();
}

KeyedHash ResponseCache::start_key(uint64_t owner) const {
    KeyedHash key(secret_);
    key.add_number(owner);
    return key;
}

std::shared_ptr<const CachedResponse> ResponseCache::find(const Key& key, int64_t since_ns) {
    std::lock_guard lock(mutex_);
    ++counters_.lookups;
    counters_.lookup_ns += non_negative(clock_.now_ns() - since_ns);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) {
        return nullptr;
    }
    ++counters_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->response;
}

Status ResponseCache::check_absent(const Key& key) const {
    return by_key_.contains(key) ? already_exists("key '" + text_of(key) + "' already exists")
                                 : Status();
}

Status ResponseCache::insert(uint64_t owner, const Key& key, const InferenceResponse& response) {
    const int64_t start_ns = clock_.now_ns();
    const size_t charge = charge_of(response);
    if (charge > capacity_) {
        return invalid_arg("Failed to insert key [" + text_of(key) + "] into the response cache: " +
                           "Requested byte_size: " + std::to_string(charge) +
                           " is greater than total cache size: " + std::to_string(capacity_));
    }
    {
        std::lock_guard lock(mutex_);
        TRITONPY_RETURN_IF_ERROR(check_absent(key));
    }
    Entry entry{key, owner, charge, copy_of(response), {}};  // without the lock: it may be large
    Entries gone;
    std::lock_guard lock(mutex_);
    TRITONPY_RETURN_IF_ERROR(check_absent(key));
    make_room(charge, gone);
    entries_.push_front(std::move(entry));
    by_key_.emplace(key, entries_.begin());
    OwnEntries& own = by_owner_[owner];
    entries_.front().place = own.insert(own.end(), entries_.begin());
    counters_.bytes += charge;
    counters_.entries = entries_.size();
    counters_.insertion_ns += non_negative(clock_.now_ns() - start_ns);
    return Status();
}

void ResponseCache::make_room(size_t charge, Entries& gone) {
    while (counters_.bytes + charge > capacity_) {
        take_out(std::prev(entries_.end()), gone);
        ++counters_.evictions;
    }
}

CacheCounters ResponseCache::counters() const {
    std::lock_guard lock(mutex_);
    return counters_;
}

}  // namespace tritonpy
