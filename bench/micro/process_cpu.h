// The CPU time of this process so far, user and system, in microseconds.
#pragma once

#include <sys/resource.h>

namespace tritonpy {

inline double process_cpu_us() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    auto micros = [](const timeval& time) { return time.tv_sec * 1e6 + time.tv_usec; };
    return micros(usage.ru_utime) + micros(usage.ru_stime);
}

}  // namespace tritonpy
