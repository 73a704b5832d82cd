// TRITONPY_CHECK: an assertion for bugs, on in every build.
//
// It prints the condition and its place and aborts. What bytes from the network can reach must be a
// Status instead: an assertion that a client can trip is itself a bug.
#pragma once

#include <cstdio>
#include <cstdlib>

#define TRITONPY_CHECK(condition)                                                       \
    do {                                                                                \
        if (!(condition)) [[unlikely]] {                                                \
            std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                               \
        }                                                                               \
    } while (false)
