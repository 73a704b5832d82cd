// The memory that messages of one worker's name: the server's blocks and its own.
//
// Threads: confined(python); any thread that has the GIL.
// Shared (hence shared_ptr) by the link of batches and that of calls.
#pragma once

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/input_blocks.h"
#include "bindings/worker/output_blocks.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

struct WorkerMemory {
    // `input_arena` is the InputArena, `output_arena` the OutputArena. Throws PythonError.
    WorkerMemory(const PythonObject& input_arena, const PythonObject& output_arena)
        : inputs(names, input_arena), outputs(names, output_arena) {}

    const AttributeNames names;
    InputBlocks inputs;
    OutputBlocks outputs;
};

}  // namespace tritonpy
