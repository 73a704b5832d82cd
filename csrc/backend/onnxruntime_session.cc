#include "backend/onnxruntime_session.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace tritonpy {

namespace {

bool is_kind(const std::string& path, mode_t kind) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IFMT) == kind;
}

// One line of the library's log, into ours. `code_location` is "file.cc:123 function".
void forward_log(void* context, ort::LogSeverity severity, const char*, const char*,
                 const char* code_location, const char* message) {
    LogLevel level = severity >= ort::LogSeverity::kError     ? LogLevel::kError
                     : severity == ort::LogSeverity::kWarning ? LogLevel::kWarning
                                                              : LogLevel::kVerbose;
    std::string_view location(code_location);
    size_t colon = std::min(location.find(':'), location.size());
    int line = 0;
    std::from_chars(location.data() + std::min(colon + 1, location.size()),
                    location.data() + location.size(), line);
    static_cast<Log*>(context)->write(level, location.substr(0, colon), line, message);
}

Result<OnnxOwned<ort::SessionOptions>> make_options(const OnnxRuntimeLibrary& library,
                                                    const OnnxSessionOptions& options, Log& log) {
    ort::SessionOptions* made = nullptr;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kCreateSessionOptions, &made));
    auto owned = library.own(ort::kReleaseSessionOptions, made);
    auto severity =
        log.enabled(LogLevel::kVerbose) ? ort::LogSeverity::kInfo : ort::LogSeverity::kWarning;
    TRITONPY_RETURN_IF_ERROR(
        library.call(ort::kSetLogFunction, made, &forward_log, static_cast<void*>(&log)));
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kSetLogSeverity, made, severity));
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kSetExecutionMode, made, options.execution_mode));
    TRITONPY_RETURN_IF_ERROR(
        library.call(ort::kSetGraphOptimization, made, options.graph_optimization));
    TRITONPY_RETURN_IF_ERROR(
        options.shares_threads
            ? library.call(ort::kUseSharedThreads, made)
            : library.call(ort::kSetIntraOpThreads, made, options.intra_op_threads));
    TRITONPY_RETURN_IF_ERROR(
        library.call(ort::kSetInterOpThreads, made, options.inter_op_threads));
    TRITONPY_RETURN_IF_ERROR(options.cpu_arena ? library.call(ort::kEnableCpuArena, made)
                                               : library.call(ort::kDisableCpuArena, made));
    TRITONPY_RETURN_IF_ERROR(options.memory_pattern
                                 ? library.call(ort::kEnableMemoryPattern, made)
                                 : library.call(ort::kDisableMemoryPattern, made));
    for (const auto& [key, value] : options.config_entries) {
        TRITONPY_RETURN_IF_ERROR(
            library.call(ort::kAddSessionConfigEntry, made, key.c_str(), value.c_str()));
    }
    for (const std::string& path : options.op_libraries) {
        TRITONPY_RETURN_IF_ERROR(library.call(ort::kRegisterOpLibrary, made, path.c_str()));
    }
    return owned;
}

Result<OnnxOwned<ort::Session>> create_session(const OnnxRuntimeLibrary& library,
                                               const std::string& path,
                                               const OnnxSessionOptions& options, Log& log) {
    TRITONPY_ASSIGN_OR_RETURN(auto made_options, make_options(library, options, log));
    ort::Session* made = nullptr;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kCreateSession, library.env(), path.c_str(),
                                          made_options.get(), &made));
    return library.own(ort::kReleaseSession, made);
}

// Whoever in this process used the library before us (`import onnxruntime`) has made its
// environment, without threads. Only its words tell: whatever else is wrong with a
// model would be wrong again, and large ones take long to open.
bool has_no_threads_to_share(const Status& error) {
    return error.message().find("GlobalThreadPools") != std::string_view::npos;
}

}  // namespace

Result<std::shared_ptr<const OnnxSession>> OnnxSession::open(
    std::shared_ptr<const OnnxRuntimeLibrary> library, const std::string& path,
    const OnnxSessionOptions& options, Log& log) {
    auto session = std::make_shared<OnnxSession>(OpenOnly(), std::move(library));
    const OnnxRuntimeLibrary& runtime = session->library();
    auto created = create_session(runtime, path, options, log);
    if (!created.ok() && options.shares_threads && has_no_threads_to_share(created.status())) {
        OnnxSessionOptions alone = options;
        alone.shares_threads = false;
        created = create_session(runtime, path, alone, log);
    }
    TRITONPY_ASSIGN_OR_RETURN(session->session_, std::move(created));
    TRITONPY_ASSIGN_OR_RETURN(session->signature_,
                              read_onnx_signature(runtime, session->handle()));
    return std::shared_ptr<const OnnxSession>(std::move(session));
}

std::optional<std::string> find_onnx_file(const std::string& path) {
    std::string file = is_kind(path, S_IFDIR) ? path + "/model.onnx" : path;
    return is_kind(file, S_IFREG) ? std::optional(file) : std::nullopt;
}

}  // namespace tritonpy
