#include "infer/parameter_json.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

#include "base/limits.h"

namespace tritonpy {

namespace {

void append_quoted(std::string_view text, std::string& out) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    for (char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += "\\u00";
            out += kHex[static_cast<unsigned char>(c) >> 4];
            out += kHex[static_cast<unsigned char>(c) & 15];
        } else {
            out += c;
        }
    }
    out += '"';
}

template <typename T>
void append_number(T value, std::string& out) {
    char digits[32];
    auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    out.append(digits, end);
}

void append_real(double value, std::string& out) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value < 0 ? "-Infinity" : "Infinity";
    } else {
        size_t before = out.size();
        append_number(value, out);
        if (out.find_first_of(".e", before) == std::string::npos) {
            out += ".0";
        }
    }
}

struct ValueAppender {
    std::string& out;
    void operator()(bool value) const { out += value ? "true" : "false"; }
    void operator()(int64_t value) const { append_number(value, out); }
    void operator()(uint64_t value) const { append_number(value, out); }
    void operator()(double value) const { append_real(value, out); }
    void operator()(const std::string& value) const { append_quoted(value, out); }
};

void append_utf8(uint32_t code, std::string& out) {
    auto push = [&out](uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        push(code);
    } else if (code < 0x800) {
        push(0xC0 | (code >> 6));
        push(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        push(0xE0 | (code >> 12));
        push(0x80 | ((code >> 6) & 0x3F));
        push(0x80 | (code & 0x3F));
    } else {
        push(0xF0 | (code >> 18));
        push(0x80 | ((code >> 12) & 0x3F));
        push(0x80 | ((code >> 6) & 0x3F));
        push(0x80 | (code & 0x3F));
    }
}

// Reads from the front; every step says whether the text went on as it must.
class Parser {
  public:
    explicit Parser(std::string_view text) : rest_(text) {}

    bool object(std::vector<Parameter>& out) {
        if (!punctuation('{')) {
            return false;
        }
        if (punctuation('}')) {
            return at_end();
        }
        do {
            Parameter parameter;
            if (out.size() == limits::kMaxParameters || !string(parameter.name) ||
                !punctuation(':') || !value(parameter.value)) {
                return false;
            }
            out.push_back(std::move(parameter));
        } while (punctuation(','));
        return punctuation('}') && at_end();
    }

  private:
    void skip_space() {
        size_t count = rest_.find_first_not_of(" \t\r\n");
        rest_.remove_prefix(count == std::string_view::npos ? rest_.size() : count);
    }
    bool at_end() {
        skip_space();
        return rest_.empty();
    }
    bool punctuation(char wanted) {
        skip_space();
        if (rest_.empty() || rest_.front() != wanted) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }
    bool word(std::string_view wanted) {
        if (!rest_.starts_with(wanted)) {
            return false;
        }
        rest_.remove_prefix(wanted.size());
        return true;
    }

    bool value(ParameterValue& out) {
        skip_space();
        if (rest_.starts_with('"')) {
            std::string text;
            bool good = string(text);
            out = std::move(text);
            return good;
        }
        if (word("true")) {
            out = true;
            return true;
        }
        if (word("false")) {
            out = false;
            return true;
        }
        return number(out);
    }

    bool number(ParameterValue& out) {
        std::string_view text = rest_.substr(0, rest_.find_first_not_of("+-.0123456789eE"));
        rest_.remove_prefix(text.size());
        int64_t whole = 0;
        uint64_t natural = 0;
        double real = 0;
        if (parsed(text, whole)) {
            out = whole;
        } else if (parsed(text, natural)) {
            out = natural;
        } else if (parsed(text, real)) {
            out = real;
        } else {
            return false;
        }
        return true;
    }

    template <typename T>
    static bool parsed(std::string_view text, T& out) {
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
        return error == std::errc() && end == text.data() + text.size() && !text.empty();
    }

    bool string(std::string& out) {
        if (!punctuation('"')) {
            return false;
        }
        while (!rest_.empty()) {
            size_t plain = rest_.find_first_of("\"\\");
            if (plain == std::string_view::npos) {
                return false;
            }
            out += rest_.substr(0, plain);
            char special = rest_[plain];
            rest_.remove_prefix(plain + 1);
            if (special == '"') {
                return true;
            }
            if (!escape(out)) {
                return false;
            }
        }
        return false;
    }

    bool escape(std::string& out) {
        constexpr std::string_view kEscapes = "\"\\/bfnrt";
        constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
        if (rest_.empty()) {
            return false;
        }
        char kind = rest_.front();
        rest_.remove_prefix(1);
        if (kind == 'u') {
            return unicode(out);
        }
        size_t index = kEscapes.find(kind);
        if (index == std::string_view::npos) {
            return false;
        }
        out += kMeanings[index];
        return true;
    }

    bool unicode(std::string& out) {
        constexpr uint32_t kReplacement = 0xFFFD;
        uint32_t code = 0;
        if (!hex(code)) {
            return false;
        }
        if (code >= 0xD800 && code < 0xDC00 && rest_.starts_with("\\u")) {
            std::string_view before = rest_;
            uint32_t low = 0;
            rest_.remove_prefix(2);
            if (!hex(low)) {
                return false;
            }
            if (low >= 0xDC00 && low < 0xE000) {
                append_utf8(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), out);
                return true;
            }
            rest_ = before;
        }
        bool half = code >= 0xD800 && code < 0xE000;
        append_utf8(half ? kReplacement : code, out);
        return true;
    }

    bool hex(uint32_t& out) {
        std::string_view digits = rest_.substr(0, 4);
        auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, 16);
        if (digits.size() < 4 || error != std::errc() || end != digits.data() + 4) {
            return false;
        }
        rest_.remove_prefix(4);
        return true;
    }

    std::string_view rest_;
};

}  // namespace

void append_parameters_json(const std::vector<Parameter>& parameters, std::string& out) {
    if (parameters.empty()) {
        return;
    }
    char before = '{';
    for (const Parameter& parameter : parameters) {
        out += before;
        append_quoted(parameter.name, out);
        out += ':';
        std::visit(ValueAppender{out}, parameter.value);
        before = ',';
    }
    out += '}';
}

Result<std::vector<Parameter>> parse_parameters_json(std::string_view text) {
    std::vector<Parameter> parameters;
    if (!text.empty() && !Parser(text).object(parameters)) {
        return invalid_arg("parameters must be one JSON object of booleans, numbers and strings");
    }
    return parameters;
}

}  // namespace tritonpy
