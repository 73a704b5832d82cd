#include "frontend/event_loop.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/check.h"

namespace tritonpy {
namespace {

// In an event's place: its watcher has gone. (The wake-up has no watcher either, and needs none: it
// is edge-triggered, so that waking up does not cost a read.)
constexpr void* kNobody = nullptr;

constexpr int64_t kNsPerMs = 1'000'000;

// A turn that handles no more than this is a lone client's: it will sleep, so the loop arms at once
// instead of asking epoll once more.
constexpr size_t kLoneTurn = 1;

}  // namespace

EventLoop::EventLoop(const Clock& clock)
    : clock_(clock),
      tasks_(wakeup_),
      timers_(clock.now_ns()),
      now_ns_(clock.now_ns()),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      events_(limits::kMaxEventsPerTurn),
      read_buffer_(limits::kReadSize) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = kNobody;
    if (wakeup_.ok() && epoll_ >= 0 &&
        epoll_ctl(epoll_, EPOLL_CTL_ADD, wakeup_.descriptor(), &event) != 0) {
        ::close(epoll_);
        epoll_ = -1;
    }
}

EventLoop::~EventLoop() {
    // What goes here may still use the loop.
    while (tasks_.take_all(taken_tasks_) || !discarded_.empty()) {
        taken_tasks_.clear();
        std::exchange(discarded_, {}).clear();
    }
    if (epoll_ >= 0) {
        ::close(epoll_);
    }
}

Status EventLoop::status() const {
    if (wakeup_.ok() && epoll_ >= 0) {
        return {};
    }
    return unavailable("the system has no descriptors left for an event loop");
}

void EventLoop::run() {
    stopping_ = false;
    now_ns_ = clock_.now_ns();
    size_t handled = 0;
    for (;;) {
        const bool drained = drain_sources();
        end_turn();
        if (stopping_) {
            return;
        }
        fetch_events(/*may_sleep=*/handled + (drained ? 1 : 0) <= kLoneTurn);
        handled = dispatch();
        // What came while a few were handled joins them: each turn wakes instances, which costs
        // more than to look once more.
        for (size_t more = handled; more > kLoneTurn && handled < limits::kMaxUnwoken;
             handled += more) {
            fetch_events(/*may_sleep=*/false);
            more = dispatch();
        }
        timers_.advance(now_ns_);
    }
}

void EventLoop::stop() {
    post([this] { stopping_ = true; });
}

void EventLoop::post(std::function<void()> task) { tasks_.push(std::move(task)); }

Status EventLoop::watch(int descriptor, uint32_t events, Watcher& watcher) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        return unavailable("the system has no room to watch another descriptor");
    }
    return {};
}

void EventLoop::rewatch(int descriptor, uint32_t events, Watcher& watcher) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    TRITONPY_CHECK(epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) == 0);
}

void EventLoop::unwatch(int descriptor, Watcher& watcher) {
    TRITONPY_CHECK(epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr) == 0);
    // What a watcher of several descriptors loses here comes again: level-triggered.
    for (size_t index = handled_; index < fetched_; ++index) {
        if (events_[index].data.ptr == &watcher) {
            events_[index].data.ptr = kNobody;
        }
    }
}

void EventLoop::add_source(LoopSource& source) { sources_.push_back(&source); }

void EventLoop::call_at_turn_end(TurnEnd& callback) { ending_.push_back(&callback); }

void EventLoop::forget_turn_end(TurnEnd& callback) {
    TurnEnd* const nobody = nullptr;
    std::replace(ending_.begin(), ending_.end(), &callback, nobody);
    std::replace(ending_now_.begin(), ending_now_.end(), &callback, nobody);
}

void EventLoop::discard(std::unique_ptr<Discarded> object) {
    discarded_.push_back(std::move(object));
}

bool EventLoop::drain_sources() {
    bool drained = tasks_.take_all(taken_tasks_);
    for (std::function<void()>& task : taken_tasks_) {
        task();
    }
    taken_tasks_.clear();
    for (LoopSource* source : sources_) {
        drained |= source->drain();
    }
    return drained;
}

// Whether nothing has come: then whatever comes next signals the wake-up.
bool EventLoop::arm_sources() {
    const auto arm = [](LoopSource* source) { return source->arm(); };
    return tasks_.arm() && std::all_of(sources_.begin(), sources_.end(), arm);
}

// What the callbacks ask for again, and what is discarded by what goes, belongs to the next turn,
// which then does not sleep.
void EventLoop::end_turn() {
    std::swap(ending_, ending_now_);
    for (TurnEnd*& slot : ending_now_) {
        if (TurnEnd* callback = std::exchange(slot, nullptr)) {
            callback->on_turn_end();
        }
    }
    ending_now_.clear();
    std::swap(discarded_, discarded_now_);
    discarded_now_.clear();
}

void EventLoop::fetch_events(bool may_sleep) {
    int timeout_ms = 0;
    if (may_sleep && ending_.empty() && discarded_.empty()) {
        if (arm_sources()) {
            timeout_ms = sleep_ms();
        }
    }
    const int count =
        epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), timeout_ms);
    TRITONPY_CHECK(count >= 0 || errno == EINTR);
    wakeup_.disarm();
    now_ns_ = clock_.now_ns();
    fetched_ = count < 0 ? 0 : static_cast<size_t>(count);
    handled_ = 0;
}

// -1: until something happens.
int EventLoop::sleep_ms() const {
    const std::optional<int64_t> look_ns = timers_.next_look_ns();
    if (!look_ns) {
        return -1;
    }
    const int64_t wait_ns = std::max<int64_t>(*look_ns - clock_.now_ns(), 0);
    const int64_t wait_ms = wait_ns / kNsPerMs + (wait_ns % kNsPerMs != 0 ? 1 : 0);
    return static_cast<int>(std::min<int64_t>(wait_ms, INT_MAX));
}

// How many watchers heard of something.
size_t EventLoop::dispatch() {
    size_t heard = 0;
    while (handled_ < fetched_) {
        const epoll_event& event = events_[handled_++];
        if (event.data.ptr != kNobody) {
            ++heard;
            static_cast<Watcher*>(event.data.ptr)->on_events(event.events);
        }
    }
    fetched_ = 0;
    return heard;
}

}  // namespace tritonpy
