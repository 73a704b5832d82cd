// ONNX Runtime, loaded from the installed Python package's shared library.
//
// Loading at run time lets one build serve with whichever package is there (`onnxruntime`, its GPU
// sibling, any release since 1.17), and lets a build without it serve its other backends.
//
// The library and its environment stay in the process for good once loaded: its threads and exit
// handlers do not survive being unmapped, and its own count of environments cannot stand one model
// releasing the last while another creates the next.
//
// Threads: immutable once opened; every call into the library made here is thread-safe.
// Owns: the description of CPU memory.
// Invariants: 1. every object made by the library is released before its OnnxRuntimeLibrary is;
//                sessions hold it by shared_ptr, since responses may outlive their model.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backend/onnxruntime_abi.h"
#include "base/result.h"

namespace tritonpy {

// Releases an object of the library with the function that the table has for it.
template <typename T>
struct OnnxRelease {
    void (*release)(T*) = nullptr;
    void operator()(T* object) const { release(object); }
};
template <typename T>
using OnnxOwned = std::unique_ptr<T, OnnxRelease<T>>;

class OnnxRuntimeLibrary {
    struct OpenOnly {};  // what only open() can name

  public:
    // Loads the library at `path` and creates its environment. Blocks for tens of milliseconds the
    // first time. unavailable when `path` is empty or no ONNX Runtime since 1.17, internal with the
    // library's text when it cannot start.
    static Result<std::shared_ptr<const OnnxRuntimeLibrary>> open(const std::string& path);

    explicit OnnxRuntimeLibrary(OpenOnly) {}
    OnnxRuntimeLibrary(const OnnxRuntimeLibrary&) = delete;
    OnnxRuntimeLibrary& operator=(const OnnxRuntimeLibrary&) = delete;

    const ort::Api& api() const { return api_; }
    // e.g. "1.20.1".
    std::string_view version() const { return version_; }
    // Whether kTensorInfoHasShape may be called.
    bool has_shape_query() const { return has_shape_query_; }
    // The process's one environment; never released. It has threads for sessions to share, a core
    // each, the session's caller among them, unless somebody else in the process made it first.
    ort::Env* env() const { return env_; }
    // Plain CPU memory.
    ort::MemoryInfo* cpu_memory() const { return cpu_memory_.get(); }
    // The library's allocator for what it hands to us; borrowed.
    ort::Allocator* allocator() const { return allocator_; }

    // Calls a function that may fail. internal `onnx runtime error <code>: <text>` when it does.
    template <size_t kPosition, typename... Parameters, typename... Arguments>
    Status call(ort::Entry<kPosition, ort::Error*(Parameters...)> entry,
                Arguments... arguments) const {
        ort::Error* error = api_[entry](arguments...);
        return error == nullptr ? Status() : take_error(error);
    }

    // Takes ownership of `object` (may be null), to be released with `release`.
    template <size_t kPosition, typename T>
    OnnxOwned<T> own(ort::Entry<kPosition, void(T*)> release, T* object) const {
        return OnnxOwned<T>(object, OnnxRelease<T>{api_[release]});
    }

  private:
    // Creates the environment and what goes with it.
    Status start();
    // The Status that `error` says; releases it.
    Status take_error(ort::Error* error) const;

    ort::Api api_;
    std::string version_;
    bool has_shape_query_ = false;
    ort::Env* env_ = nullptr;
    OnnxOwned<ort::MemoryInfo> cpu_memory_;
    ort::Allocator* allocator_ = nullptr;
};

}  // namespace tritonpy
