#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

namespace tritonpy {

namespace {

constexpr size_t kMaxText = 64 << 10;

char letter_of(LogLevel level) {
    switch (level) {
        case LogLevel::kError:
            return 'E';
        case LogLevel::kWarning:
            return 'W';
        default:
            return 'I';
    }
}

// As a JSON string: quoted, one line whatever the text holds.
void append_escaped(std::string& out, std::string_view text) {
    constexpr std::string_view kControls = "btn?fr";  // \b is 0x08, \t 0x09, ... \r 0x0D
    constexpr std::string_view kHexDigits = "0123456789ABCDEF";
    out.push_back('"');
    for (char c : text) {
        auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (code >= 0x20) {
            out.push_back(c);
        } else if (code >= '\b' && code <= '\r' && c != '\v') {
            out.push_back('\\');
            out.push_back(kControls[code - '\b']);
        } else {
            out += "\\u00";
            out.push_back(kHexDigits[code >> 4]);
            out.push_back(kHexDigits[code & 0xF]);
        }
    }
    out.push_back('"');
}

// The part of a line before the text, in the given format.
std::string prefix_of(LogFormat format, LogLevel level, std::string_view file, int line) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    char start[96];
    if (format == LogFormat::kIso8601) {
        std::snprintf(start, sizeof(start), "%04d-%02d-%02dT%02d:%02d:%02dZ %c %d ",
                      utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                      utc.tm_sec, letter_of(level), getpid());
    } else {
        std::snprintf(start, sizeof(start), "%c%02d%02d %02d:%02d:%02d.%06ld %d ",
                      letter_of(level), utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                      utc.tm_sec, now.tv_nsec / 1000, getpid());
    }
    std::string prefix = start;
    prefix += file.substr(file.find_last_of('/') + 1);  // npos + 1 is 0: the whole name
    prefix += ':' + std::to_string(line) + "] ";
    return prefix;
}

// A log that cannot be written has nowhere to complain, so a line that fails is dropped.
void write_all(int descriptor, std::string_view line) {
    while (!line.empty()) {
        ssize_t written = ::write(descriptor, line.data(), line.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        line.remove_prefix(static_cast<size_t>(written));
    }
}

uint32_t bits_of(const LogSettings& settings) {
    auto bit = [](LogLevel level, bool on) { return (on ? 1u : 0u) << static_cast<int>(level); };
    return bit(LogLevel::kError, settings.error) | bit(LogLevel::kWarning, settings.warning) |
           bit(LogLevel::kInfo, settings.info) |
           bit(LogLevel::kVerbose, settings.verbose_level > 0);
}

}  // namespace

Log::~Log() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

Status Log::configure(const LogSettings& settings) {
    std::lock_guard lock(mutex_);
    if (settings.file != settings_.file) {
        int opened = -1;
        if (!settings.file.empty()) {
            opened = ::open(settings.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
            if (opened < 0) {
                return invalid_arg("unable to open log file '" + settings.file + "'");
            }
        }
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
        descriptor_ = opened;
    }
    settings_ = settings;
    enabled_levels_.store(bits_of(settings), std::memory_order_relaxed);
    return Status();
}

LogSettings Log::settings() const {
    std::lock_guard lock(mutex_);
    return settings_;
}

void Log::write(LogLevel level, std::string_view file, int line, std::string_view text) {
    if (!enabled(level)) {
        return;
    }
    text = text.substr(0, kMaxText);
    std::lock_guard lock(mutex_);
    std::string out = prefix_of(settings_.format, level, file, line);
    if (settings_.escape) {
        append_escaped(out, text);
    } else {
        out += text;
    }
    out.push_back('\n');
    int standard = level >= LogLevel::kInfo ? STDOUT_FILENO : STDERR_FILENO;
    write_all(descriptor_ >= 0 ? descriptor_ : standard, out);
}

}  // namespace tritonpy
