// Which seeds a simulation runs: TRITONPY_SIM_FIRST_SEED and TRITONPY_SIM_SEEDS, else its own.
//
// Threads: compatible; a function only.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace tritonpy {

struct Seeds {
    uint64_t first;
    uint64_t count;
};

inline Seeds seeds_to_run(uint64_t count_otherwise) {
    const auto number = [](const char* name, uint64_t otherwise) {
        const char* text = std::getenv(name);
        return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
    };
    return {number("TRITONPY_SIM_FIRST_SEED", 1), number("TRITONPY_SIM_SEEDS", count_otherwise)};
}

}  // namespace tritonpy
