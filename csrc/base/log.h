// The server's log, in Triton's line formats, for both C++ and (through the bindings) Python.
//
// Default line: `I1122 10:46:40.123456 4242 file.cc:12] "text"`, UTC, the text JSON-escaped so that
// a client cannot forge lines. Informational and verbose lines go to stdout, warnings and errors to
// stderr, or all to one file. One line is one write(2), so that threads and processes do not mix.
//
// Threads: thread-safe; settings may change while others log.
// Limits: text longer than 64 KiB is cut.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tritonpy {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kVerbose };
enum class LogFormat : uint8_t { kDefault, kIso8601 };

struct LogSettings {
    bool info = true;
    bool warning = true;
    bool error = true;
    uint32_t verbose_level = 0;
    LogFormat format = LogFormat::kDefault;
    std::string file;     // empty: stdout and stderr
    bool escape = true;   // JSON-escape the text (TRITON_SERVER_ESCAPE_LOG_MESSAGES=0 turns it off)
};

class Log {
  public:
    Log() = default;
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // Applies all settings at once. invalid_arg when the file cannot be opened; then nothing
    // changed. Blocks while the file opens.
    Status configure(const LogSettings& settings);
    LogSettings settings() const;

    bool enabled(LogLevel level) const {
        return (enabled_levels_.load(std::memory_order_relaxed) >> static_cast<int>(level)) & 1;
    }

    // Writes one line when the level is enabled. `file` is shown by its last path segment.
    void write(LogLevel level, std::string_view file, int line, std::string_view text);

  private:
    mutable std::mutex mutex_;  // guards settings_ and descriptor_
    LogSettings settings_;
    int descriptor_ = -1;
    std::atomic<uint32_t> enabled_levels_{0b0111};  // relaxed: a late change costs one line
};

}  // namespace tritonpy

// TRITONPY_LOG(log, LogLevel::kInfo, text): the text is only built when the level is enabled.
#define TRITONPY_LOG(log, level, text)                       \
    do {                                                     \
        if ((log).enabled(level)) {                          \
            (log).write(level, __FILE__, __LINE__, (text));  \
        }                                                    \
    } while (false)
