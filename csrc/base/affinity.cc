#include "base/affinity.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace tritonpy {

namespace {

constexpr size_t kSets = 64;  // of 1024 processors each; the kernel refuses a set below its own
constexpr size_t kSize = kSets * sizeof(cpu_set_t);
constexpr int kCpus = static_cast<int>(kSets) * CPU_SETSIZE;

Status refused(const std::string& what) {
    return unavailable("unable to " + what + ": " + std::strerror(errno));
}

}  // namespace

ScopedAffinity::~ScopedAffinity() {
    if (!before_.empty()) {
        sched_setaffinity(0, kSize, before_.data());  // it was allowed once
    }
}

Status ScopedAffinity::pin(std::span<const int> cpus) {
    if (cpus.empty()) {
        return Status();
    }
    std::vector<cpu_set_t> wanted(kSets);
    std::string names;
    for (int cpu : cpus) {
        names += (names.empty() ? "" : ",") + std::to_string(cpu);
        if (cpu < 0 || cpu >= kCpus) {
            return unavailable("there is no processor " + std::to_string(cpu));
        }
        CPU_SET_S(static_cast<size_t>(cpu), kSize, wanted.data());
    }
    std::vector<cpu_set_t> before(kSets);
    if (sched_getaffinity(0, kSize, before.data()) < 0) {
        return refused("ask where a thread may run");
    }
    if (sched_setaffinity(0, kSize, wanted.data()) != 0) {
        return refused("run on processors " + names);
    }
    before_ = std::move(before);
    return Status();
}

}  // namespace tritonpy
