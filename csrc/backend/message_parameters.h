// Parameters in the messages of workers: after their count, which stands elsewhere, a name, a kind
// and a value each.
//
// Threads: compatible; pure functions over bytes.
// Limits: limits::kMaxParameters.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "backend/message_bytes.h"
#include "base/result.h"
#include "infer/parameter.h"

namespace tritonpy {

void write_parameters(MessageWriter& out, std::span<const Parameter> parameters);

// internal, with what is wrong, when there are too many or one has no such kind. What goes past the
// end is left to the reader's own ok().
Result<std::vector<Parameter>> read_parameters(MessageReader& in, size_t count);

}  // namespace tritonpy
