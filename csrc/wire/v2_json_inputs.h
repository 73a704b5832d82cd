// The "inputs" of a V2 JSON request: names, types, shapes, and where the bytes of each come from.
//
// An input has exactly one source: JSON "data", the next bytes of the binary part, or a shared
// memory region. Binary inputs borrow the body; JSON inputs get a pool block. Memory is reserved
// only after the elements in the text were counted and match the shape, so a request can make the
// server reserve no more than a small multiple of its own size.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "base/status.h"
#include "infer/model_identity.h"
#include "infer/request.h"
#include "memory/block_pool.h"
#include "wire/json_reader.h"

namespace tritonpy {

// What inputs are decoded from, besides their JSON.
struct InputSource {
    const BufferRef& body;
    std::span<const std::byte> binary;  // the part after the JSON that no input took yet
    bool has_json_length;               // the client said where the JSON ends
    const ModelIdentity& model;
    size_t max_input_size;
    BlockPool& pool;
};

// Appends the elements of the JSON array `inputs` to request.inputs and takes their bytes from
// source.binary, all of it.
Status decode_json_inputs(JsonValue inputs, InputSource& source, InferenceRequest& request);

// The one input of a raw binary request: the whole body, its shape deduced from the model.
Status decode_raw_input(InputSource& source, InferenceRequest& request);

}  // namespace tritonpy
