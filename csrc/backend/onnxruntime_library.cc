#include "backend/onnxruntime_library.h"

#include <dlfcn.h>

#include <charconv>

#include "backend/cpu_count.h"

namespace tritonpy {

namespace {

using GetApiBase = const ort::ApiBase* (*)();

// The interface version of a release: the middle number of "1.20.1"; 0 when it is no such text.
uint32_t api_version_of(std::string_view release) {
    if (!release.starts_with("1.")) {
        return 0;
    }
    uint32_t minor = 0;
    std::from_chars(release.data() + 2, release.data() + release.size(), minor);
    return minor;
}

std::string dl_error() {
    const char* text = ::dlerror();
    return text != nullptr ? text : "no reason given";
}

}  // namespace

Result<std::shared_ptr<const OnnxRuntimeLibrary>> OnnxRuntimeLibrary::open(
    const std::string& path) {
    if (path.empty()) {
        return unavailable("backend 'onnxruntime' needs the Python package onnxruntime, which is "
                           "not installed");
    }
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) {
        return unavailable("unable to load ONNX Runtime from '" + path + "': " + dl_error());
    }
    auto get_base = reinterpret_cast<GetApiBase>(::dlsym(handle, ort::kApiBaseSymbol));
    if (get_base == nullptr) {
        return unavailable("'" + path + "' is not ONNX Runtime: " + dl_error());
    }
    auto library = std::make_shared<OnnxRuntimeLibrary>(OpenOnly());
    const ort::ApiBase& base = *get_base();
    library->version_ = base.get_version();
    // Asked first, because get_api complains on stderr about a version that it does not know.
    uint32_t newest = api_version_of(library->version_);
    const ort::Api::AnyFunction* table =
        newest >= ort::kApiVersion ? base.get_api(ort::kApiVersion) : nullptr;
    if (table == nullptr) {
        return unavailable("ONNX Runtime at '" + path + "' is release " + library->version_ +
                           ", expected 1." + std::to_string(ort::kApiVersion) + " or later");
    }
    library->api_ = ort::Api(table);
    if (newest >= ort::kApiVersionWithHasShape) {
        const ort::Api::AnyFunction* newer = base.get_api(ort::kApiVersionWithHasShape);
        library->has_shape_query_ = newer != nullptr;
        library->api_ = ort::Api(newer != nullptr ? newer : table);
    }
    TRITONPY_RETURN_IF_ERROR(library->start());
    return std::shared_ptr<const OnnxRuntimeLibrary>(std::move(library));
}

Status OnnxRuntimeLibrary::start() {
    // Sessions log to the server's log (onnxruntime_session.h); what the environment itself has to
    // say below an error is about devices that it looked for and did not find. Every call gives the
    // same environment.
    ort::ThreadingOptions* made = nullptr;
    TRITONPY_RETURN_IF_ERROR(call(ort::kCreateThreadingOptions, &made));
    const auto threads = own(ort::kReleaseThreadingOptions, made);
    TRITONPY_RETURN_IF_ERROR(call(ort::kSetSharedIntraOpThreads, made,
                                  static_cast<int>(usable_cpu_count())));
    TRITONPY_RETURN_IF_ERROR(call(ort::kSetSharedInterOpThreads, made, 1));
    TRITONPY_RETURN_IF_ERROR(call(ort::kSetSharedThreadsSpin, made, 0));
    TRITONPY_RETURN_IF_ERROR(call(ort::kCreateEnvWithThreads, ort::LogSeverity::kError,
                                  "onnxruntime", made, &env_));
    ort::MemoryInfo* memory = nullptr;
    TRITONPY_RETURN_IF_ERROR(call(ort::kCreateCpuMemoryInfo, ort::AllocatorKind::kDevice,
                                  ort::MemoryKind::kDefault, &memory));
    cpu_memory_ = own(ort::kReleaseMemoryInfo, memory);
    return call(ort::kGetDefaultAllocator, &allocator_);
}

Status OnnxRuntimeLibrary::take_error(ort::Error* error) const {
    auto owned = own(ort::kReleaseError, error);
    return internal_error("onnx runtime error " +
                          std::to_string(api_[ort::kGetErrorCode](error)) + ": " +
                          api_[ort::kGetErrorMessage](error));
}

}  // namespace tritonpy
