// The part of ONNX Runtime's C interface that we call, declared by position.
//
// The library exports one function, `OrtGetApiBase`, which hands out a table of function pointers.
// The table is append-only: a function, once published, keeps its position and its signature in
// every later release. So this file needs no header of the library and no particular release: it
// says at which position a function stands and what it takes, and asks for the table of the oldest
// interface version that has everything here. The tests hold it against the loaded library.
//
// A call is `api[ort::kRun](...)`. Most functions return null on success, else an error object that
// the caller releases; onnxruntime_library.h turns those into Status.
//
// Threads: immutable.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tritonpy::ort {

// The interface version asked for (published with release 1.17), and the one that added
// kTensorInfoHasShape, which is used where the library has it.
inline constexpr uint32_t kApiVersion = 17;
inline constexpr uint32_t kApiVersionWithHasShape = 24;

// The library's own objects; never looked into.
struct Error;
struct Env;
struct Session;
struct SessionOptions;
struct RunOptions;
struct ThreadingOptions;
struct Value;
struct MemoryInfo;
struct Allocator;
struct TypeInfo;
struct TensorInfo;

enum class LogSeverity : int { kVerbose = 0, kInfo = 1, kWarning = 2, kError = 3, kFatal = 4 };
enum class ExecutionMode : int { kSequential = 0, kParallel = 1 };
enum class GraphOptimization : int { kNone = 0, kBasic = 1, kExtended = 2, kAll = 99 };
enum class AllocatorKind : int { kDevice = 0, kArena = 1 };
enum class MemoryKind : int { kDefault = 0 };

// What a model's input or output is.
enum class ValueKind : int {
    kUnknown = 0,
    kTensor = 1,
    kSequence = 2,
    kMap = 3,
    kOpaque = 4,
    kSparseTensor = 5,
    kOptional = 6,
};

// Element types, numbered as in the ONNX format itself.
enum class ElementType : int {
    kUndefined = 0,
    kFloat = 1,
    kUint8 = 2,
    kInt8 = 3,
    kUint16 = 4,
    kInt16 = 5,
    kInt32 = 6,
    kInt64 = 7,
    kString = 8,
    kBool = 9,
    kFloat16 = 10,
    kDouble = 11,
    kUint32 = 12,
    kUint64 = 13,
    kBfloat16 = 16,
};

// Called by the library on any of its threads for each of its log lines.
using LogFunction = void (*)(void* context, LogSeverity severity, const char* category,
                             const char* log_id, const char* code_location, const char* message);

// One function of the table.
template <size_t kPosition, typename Signature>
struct Entry {};

class Api {
  public:
    using AnyFunction = void (*)();

    Api() = default;
    explicit Api(const AnyFunction* table) : table_(table) {}

    template <size_t kPosition, typename Signature>
    Signature* operator[](Entry<kPosition, Signature>) const {
        return reinterpret_cast<Signature*>(table_[kPosition]);
    }

  private:
    const AnyFunction* table_ = nullptr;
};

// What `OrtGetApiBase` returns a pointer to.
struct ApiBase {
    // Null, with a line on stderr, when the library does not know the version.
    const Api::AnyFunction* (*get_api)(uint32_t version);
    const char* (*get_version)();  // e.g. "1.20.1"
};
inline constexpr char kApiBaseSymbol[] = "OrtGetApiBase";

// Errors.
inline constexpr Entry<0, Error*(int code, const char* text)> kCreateError;
inline constexpr Entry<1, int(const Error*)> kGetErrorCode;
inline constexpr Entry<2, const char*(const Error*)> kGetErrorMessage;
inline constexpr Entry<93, void(Error*)> kReleaseError;

// The environment: one per process however often it is created, counted by the library.
// Its threads are those that the first call asked for.
inline constexpr Entry<119, Error*(LogSeverity, const char* log_id, const ThreadingOptions*, Env**)>
    kCreateEnvWithThreads;
inline constexpr Entry<121, Error*(ThreadingOptions**)> kCreateThreadingOptions;
inline constexpr Entry<122, void(ThreadingOptions*)> kReleaseThreadingOptions;
inline constexpr Entry<147, Error*(ThreadingOptions*, int)> kSetSharedIntraOpThreads;
inline constexpr Entry<148, Error*(ThreadingOptions*, int)> kSetSharedInterOpThreads;
inline constexpr Entry<149, Error*(ThreadingOptions*, int allowed)> kSetSharedThreadsSpin;

// Session options.
inline constexpr Entry<10, Error*(SessionOptions**)> kCreateSessionOptions;
inline constexpr Entry<13, Error*(SessionOptions*, ExecutionMode)> kSetExecutionMode;
inline constexpr Entry<16, Error*(SessionOptions*)> kEnableMemoryPattern;
inline constexpr Entry<17, Error*(SessionOptions*)> kDisableMemoryPattern;
inline constexpr Entry<18, Error*(SessionOptions*)> kEnableCpuArena;
inline constexpr Entry<19, Error*(SessionOptions*)> kDisableCpuArena;
inline constexpr Entry<22, Error*(SessionOptions*, LogSeverity)> kSetLogSeverity;
inline constexpr Entry<23, Error*(SessionOptions*, GraphOptimization)> kSetGraphOptimization;
inline constexpr Entry<24, Error*(SessionOptions*, int)> kSetIntraOpThreads;
inline constexpr Entry<25, Error*(SessionOptions*, int)> kSetInterOpThreads;
// The session uses the threads of an environment that was made with some.
inline constexpr Entry<120, Error*(SessionOptions*)> kUseSharedThreads;
inline constexpr Entry<130, Error*(SessionOptions*, const char* key, const char* value)>
    kAddSessionConfigEntry;
inline constexpr Entry<228, Error*(SessionOptions*, const char* path)> kRegisterOpLibrary;
inline constexpr Entry<266, Error*(SessionOptions*, LogFunction, void* context)> kSetLogFunction;
inline constexpr Entry<100, void(SessionOptions*)> kReleaseSessionOptions;

// Sessions. A name is allocated with the given allocator.
inline constexpr Entry<7, Error*(const Env*, const char* path, const SessionOptions*, Session**)>
    kCreateSession;
inline constexpr Entry<9, Error*(Session*, const RunOptions*, const char* const* input_names,
                                 const Value* const* inputs, size_t input_count,
                                 const char* const* output_names, size_t output_count,
                                 Value** outputs)>
    kRun;
using SessionCount = Error*(const Session*, size_t* count);
using SessionTypeInfo = Error*(const Session*, size_t index, TypeInfo**);
using SessionName = Error*(const Session*, size_t index, Allocator*, char** name);
inline constexpr Entry<30, SessionCount> kInputCount;
inline constexpr Entry<31, SessionCount> kOutputCount;
inline constexpr Entry<32, SessionCount> kOverridableInitializerCount;
inline constexpr Entry<33, SessionTypeInfo> kInputTypeInfo;
inline constexpr Entry<34, SessionTypeInfo> kOutputTypeInfo;
inline constexpr Entry<35, SessionTypeInfo> kOverridableInitializerTypeInfo;
inline constexpr Entry<36, SessionName> kInputName;
inline constexpr Entry<37, SessionName> kOutputName;
inline constexpr Entry<38, SessionName> kOverridableInitializerName;
inline constexpr Entry<95, void(Session*)> kReleaseSession;

// Options of one run.
inline constexpr Entry<39, Error*(RunOptions**)> kCreateRunOptions;
inline constexpr Entry<165, Error*(RunOptions*, const char* key, const char* value)>
    kAddRunConfigEntry;
inline constexpr Entry<97, void(RunOptions*)> kReleaseRunOptions;

// Values. A tensor over given data borrows it for as long as the value lives.
inline constexpr Entry<48, Error*(Allocator*, const int64_t* dims, size_t rank, ElementType,
                                  Value**)>
    kCreateTensor;
inline constexpr Entry<49, Error*(const MemoryInfo*, void* data, size_t size, const int64_t* dims,
                                  size_t rank, ElementType, Value**)>
    kCreateTensorOverData;
inline constexpr Entry<51, Error*(Value*, void** data)> kGetTensorData;
inline constexpr Entry<67, Error*(const Value*, ValueKind*)> kGetValueKind;
inline constexpr Entry<65, Error*(const Value*, TensorInfo**)> kGetTensorInfo;
inline constexpr Entry<96, void(Value*)> kReleaseValue;

// String tensors. The resized element has exactly `size` bytes at `data` to be written; the content
// is all elements without separators, with the offset of each.
inline constexpr Entry<252, Error*(Value*, size_t index, size_t size, char** data)>
    kResizeStringElement;
inline constexpr Entry<53, Error*(const Value*, size_t* size)> kGetStringContentSize;
inline constexpr Entry<54, Error*(const Value*, void* content, size_t size, size_t* offsets,
                                  size_t offset_count)>
    kGetStringContent;

// Types. The tensor info cast from a type info is borrowed from it, and null for other kinds.
inline constexpr Entry<56, Error*(const TypeInfo*, ValueKind*)> kGetTypeKind;
inline constexpr Entry<55, Error*(const TypeInfo*, const TensorInfo**)> kCastToTensorInfo;
inline constexpr Entry<98, void(TypeInfo*)> kReleaseTypeInfo;
inline constexpr Entry<60, Error*(const TensorInfo*, ElementType*)> kGetElementType;
inline constexpr Entry<61, Error*(const TensorInfo*, size_t* rank)> kGetRank;
// A variable dimension is -1.
inline constexpr Entry<62, Error*(const TensorInfo*, int64_t* dims, size_t rank)> kGetDims;
// Whether the model says a shape at all; kApiVersionWithHasShape only.
inline constexpr Entry<390, bool(const TensorInfo*)> kTensorInfoHasShape;
inline constexpr Entry<99, void(TensorInfo*)> kReleaseTensorInfo;

// Memory.
inline constexpr Entry<69, Error*(AllocatorKind, MemoryKind, MemoryInfo**)> kCreateCpuMemoryInfo;
inline constexpr Entry<94, void(MemoryInfo*)> kReleaseMemoryInfo;
inline constexpr Entry<76, Error*(Allocator*, void*)> kAllocatorFree;
// The default allocator belongs to the library: never released.
inline constexpr Entry<78, Error*(Allocator**)> kGetDefaultAllocator;

}  // namespace tritonpy::ort
