// The attributes of the objects in `worker/*.py` that messages are read into and written from.
//
// Threads: confined(python).
#pragma once

#include "bindings/worker/python_object.h"

namespace tritonpy {

struct AttributeNames {
    // InferenceRequest
    PythonObject key = PythonObject::name("_key");
    PythonObject correlation = PythonObject::name("_correlation");
    PythonObject timeout = PythonObject::name("_timeout");
    PythonObject priority = PythonObject::name("_priority");
    PythonObject flags = PythonObject::name("_flags");
    PythonObject cancel_index = PythonObject::name("_cancel_index");
    PythonObject id = PythonObject::name("_id");
    PythonObject inputs = PythonObject::name("_inputs");
    PythonObject model_name = PythonObject::name("_model_name");
    PythonObject model_version = PythonObject::name("_model_version");
    PythonObject signature = PythonObject::name("_signature");
    PythonObject release_flags = PythonObject::name("_release_flags");
    PythonObject reply = PythonObject::name("_reply");
    // and InferenceResponse
    PythonObject outputs = PythonObject::name("_outputs");
    PythonObject parameters = PythonObject::name("_parameters");
    PythonObject error = PythonObject::name("_error");
    // Tensor
    PythonObject name = PythonObject::name("_name");
    PythonObject code = PythonObject::name("_code");
    PythonObject shape = PythonObject::name("_shape");
    PythonObject serialized = PythonObject::name("_serialized");
    PythonObject array = PythonObject::name("_array");
    // Answer
    PythonObject call = PythonObject::name("call");
    PythonObject response = PythonObject::name("response");
    PythonObject is_final = PythonObject::name("is_final");
    PythonObject charge = PythonObject::name("charge");
    // InputArena and OutputArena, and their blocks
    PythonObject block = PythonObject::name("block");
    PythonObject lend = PythonObject::name("lend");
    PythonObject cut = PythonObject::name("cut");
    PythonObject size = PythonObject::name("size");
    PythonObject mapping = PythonObject::name("mapping");
    PythonObject at = PythonObject::name("at");
    PythonObject arrays = PythonObject::name("arrays");
    PythonObject data_place = PythonObject::name("data_place");
    PythonObject address = PythonObject::name("address");
    PythonObject release = PythonObject::name("release");
};

}  // namespace tritonpy
