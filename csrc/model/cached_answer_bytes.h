// An answer as bytes that another server can read: what a cache outside of this process keeps.
//
// Layout, little-endian: the magic "TPYA", the version of the layout, the number of parameters and
// of outputs (32 bits each); each parameter's name, kind and value; each output's name, type, rank,
// dimensions and byte size; then the outputs' bytes, each at a multiple of 16, so that they are
// used where they lie. Texts are a 32-bit length and their characters.
//
// Bytes that are read come from a server that others write to: they are untrusted. Whatever is not
// exactly one whole answer that this model could have given is none.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "infer/model_identity.h"
#include "infer/response.h"
#include "memory/buffer.h"
#include "model/answer_cache.h"

namespace tritonpy {

// How many bytes write_answer makes.
size_t answer_size(const InferenceResponse& response);
// The outputs and parameters of a response.
std::string write_answer(const InferenceResponse& response);

// The answer, whose outputs refer to `bytes`; null when these are no answer of `model`: malformed,
// of another layout, or with an output that the model has not or has of another type. REQUIRES:
// the bytes lie at a multiple of 16.
std::shared_ptr<const CachedResponse> read_answer(const BufferRef& bytes,
                                                  const ModelIdentity& model);

}  // namespace tritonpy
