// Numbers of one meaning in the messages between the server and a worker, which both sides name.
#pragma once

#include <cstdint>

namespace tritonpy {

inline constexpr uint16_t kAllOutputs = 0xFFFF;  // instead of a count of those that are wanted
inline constexpr uint32_t kFinalFlag = 1;
inline constexpr uint32_t kDecoupledAllowed = 1;
inline constexpr uint32_t kVersionIsLabel = 2;
inline constexpr uint32_t kNamedBack = 1;
inline constexpr uint32_t kCorrelationIsText = 1;  // in a byte; the three that follow are 0

}  // namespace tritonpy
