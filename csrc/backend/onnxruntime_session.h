// A loaded ONNX model: one session, with what the model says of its inputs and outputs.
//
// There is one session per model version, shared by all its instances. Running a session is
// thread-safe and holds no lock, so a session per instance would buy nothing and cost the weights,
// the optimised graph and a thread pool each time (about 95 MB for MiniLM, a file of 23 MB).
//
// What the session logs goes to the server's log: warnings and errors always, information in
// verbose mode.
//
// Threads: immutable once opened; the runtime allows any number of runs on `handle` at a time.
// Owns: the session and a reference on the library.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "backend/onnxruntime_library.h"
#include "backend/onnxruntime_options.h"
#include "backend/onnxruntime_signature.h"
#include "base/log.h"
#include "base/result.h"

namespace tritonpy {

class OnnxSession {
    struct OpenOnly {};  // what only open() can name

  public:
    // Loads the model file at `path`. Blocks for as long as ONNX Runtime takes to optimise it.
    // `log` is borrowed for the session's life. internal `onnx runtime error ...` when the file or
    // an option is none it takes; what read_onnx_signature returns.
    static Result<std::shared_ptr<const OnnxSession>> open(
        std::shared_ptr<const OnnxRuntimeLibrary> library, const std::string& path,
        const OnnxSessionOptions& options, Log& log);

    OnnxSession(OpenOnly, std::shared_ptr<const OnnxRuntimeLibrary> library)
        : library_(std::move(library)) {}
    OnnxSession(const OnnxSession&) = delete;
    OnnxSession& operator=(const OnnxSession&) = delete;

    const OnnxRuntimeLibrary& library() const { return *library_; }
    const OnnxSignature& signature() const { return signature_; }
    ort::Session* handle() const { return session_.get(); }

  private:
    // After open: the last to go.
    std::shared_ptr<const OnnxRuntimeLibrary> library_;
    OnnxOwned<ort::Session> session_;
    OnnxSignature signature_;
};

// The model file meant by a model path: the path itself, or model.onnx in it when it is a
// directory; nothing when there is no such file.
std::optional<std::string> find_onnx_file(const std::string& path);

}  // namespace tritonpy
