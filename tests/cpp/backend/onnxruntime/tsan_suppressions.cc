// ONNX Runtime is not built with ThreadSanitizer, so the atomics by which its own threads hand
// objects to each other are not seen, while its calls of operator new, delete and memmove are: what
// is reported with frames of the library in both stacks is its own affair. Everything without a
// frame of the library is still reported.
#if defined(__SANITIZE_THREAD__)

extern "C" const char* __tsan_default_suppressions();

extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
    return "race:libonnxruntime.so\n";
}

#endif
