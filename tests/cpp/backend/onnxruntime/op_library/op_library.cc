// A library of operators for ONNX Runtime that has none: it answers with an error that names it, so
// that a test can see that it was asked.
#include "backend/onnxruntime_abi.h"

namespace tritonpy::ort {

extern "C" [[gnu::visibility("default")]] Error* RegisterCustomOps(SessionOptions*,
                                                                   const ApiBase* base) {
    return Api(base->get_api(kApiVersion))[kCreateError](1, "op_library was asked");
}

}  // namespace tritonpy::ort
