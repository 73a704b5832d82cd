// What a gRPC client saw of one call, and the framing of its messages, for tests.
//
// Threads: compatible. Values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/grpc_message.h"

namespace tritonpy {

using GrpcFields = std::vector<std::pair<std::string, std::string>>;

// A message with its prefix.
inline std::string framed(std::string_view message, bool compressed = false) {
    const auto prefix = grpc_prefix(message.size(), compressed);
    return std::string(prefix.data(), prefix.size()).append(message);
}

// What a client saw of one call.
struct GrpcTestCall {
    std::map<std::string, std::string> head;
    std::map<std::string, std::string> trailers;
    std::string data;
    bool closed = false;
    uint32_t reset = 0;  // the code of the RST_STREAM that closed it

    // Of the trailers, or of a head that is all; -1 when there is none.
    int status() const {
        const std::string& text = field("grpc-status");
        return text.empty() ? -1 : std::stoi(text);
    }
    std::string text() const { return field("grpc-message"); }
    // Whole messages, and whether each was compressed.
    std::vector<std::pair<bool, std::string>> flagged_messages() const {
        std::vector<std::pair<bool, std::string>> messages;
        for (size_t at = 0; data.size() - at >= kGrpcPrefixSize;) {
            auto byte = [&](size_t index) {
                return static_cast<size_t>(static_cast<uint8_t>(data[at + index]));
            };
            size_t size = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
            if (data.size() - at - kGrpcPrefixSize < size) {
                break;
            }
            messages.emplace_back(byte(0) == 1, data.substr(at + kGrpcPrefixSize, size));
            at += kGrpcPrefixSize + size;
        }
        return messages;
    }
    std::vector<std::string> messages() const {
        std::vector<std::string> all;
        for (auto& [compressed, message] : flagged_messages()) {
            all.push_back(std::move(message));
        }
        return all;
    }

  private:
    std::string field(const std::string& name) const {
        const auto& fields = trailers.empty() ? head : trailers;
        auto found = fields.find(name);
        return found == fields.end() ? std::string() : found->second;
    }
};

}  // namespace tritonpy
