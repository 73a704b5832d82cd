// The worker's half of the messages: what the server says, read, and what a worker says, made.
//
// Threads: compatible; values and functions over bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/message_bytes.h"
#include "backend/message_parameters.h"
#include "base/check.h"
#include "memory/buffer.h"

namespace tritonpy {

// What EXECUTE or ANSWER said of a tensor, and a copy of its bytes.
struct SeenTensor {
    uint16_t index = 0;
    std::string name;  // ANSWER only
    uint8_t data_type = 0;
    std::vector<int64_t> dims;
    uint64_t offset = 0;  // in the block of its message
    std::string bytes;
};

struct SeenRequest {
    uint64_t key = 0;
    uint64_t correlation_number = 0;
    uint64_t timeout_us = 0;
    uint64_t priority = 0;
    uint32_t flags = 0;
    uint32_t cancel_index = 0;
    bool correlation_is_text = false;
    std::string id, correlation;
    std::vector<Parameter> parameters;
    std::vector<SeenTensor> inputs;
    std::optional<std::vector<uint16_t>> outputs;  // nothing: all
};

struct SeenAnswer {
    uint64_t call = 0;
    uint64_t charge = 0;
    bool final = false;
    bool has_error = false;
    uint8_t code = 0;
    std::string error;
    std::vector<Parameter> parameters;
    std::vector<SeenTensor> outputs;
};

// A response as the worker makes it; `block` and offsets are the writer's to fill.
struct MadeTensor {
    uint16_t index = 0;
    uint8_t data_type = 11;
    std::vector<int64_t> dims;
    std::string bytes;
};
struct MadeResponse {
    std::optional<std::pair<uint8_t, std::string>> error;
    std::vector<Parameter> parameters;
    std::vector<MadeTensor> outputs;
};

inline void read_seen_place(MessageReader& in, size_t rank, const BufferRef& block,
                       SeenTensor& tensor) {
    const uint64_t offset = tensor.offset = in.number<uint64_t>();
    auto size = in.number<uint64_t>();
    TRITONPY_CHECK(offset % 64 == 0);
    for (; rank > 0; --rank) {
        tensor.dims.push_back(in.number<int64_t>());
    }
    if (size > 0) {
        tensor.bytes.assign(reinterpret_cast<const char*>(block->data() + offset), size);
    }
}

inline void read_seen_request(MessageReader& in, SeenRequest& request, const BufferRef& block) {
    request.key = in.number<uint64_t>();
    request.correlation_number = in.number<uint64_t>();
    request.timeout_us = in.number<uint64_t>();
    request.priority = in.number<uint64_t>();
    request.flags = in.number<uint32_t>();
    request.cancel_index = in.number<uint32_t>();
    request.inputs.resize(in.number<uint16_t>());
    auto output_count = in.number<uint16_t>();
    request.correlation_is_text = in.number<uint8_t>() != 0;
    in.skip(3);
    if (in.number<uint32_t>() > 0) {
        request.id = in.text();
        request.correlation = in.text();
        auto count = in.number<uint32_t>();
        request.parameters = read_parameters(in, count).value();
    }
    for (SeenTensor& input : request.inputs) {
        input.index = in.number<uint16_t>();
        auto rank = in.number<uint16_t>();
        read_seen_place(in, rank, block, input);
    }
    if (output_count != 0xFFFF) {
        request.outputs.emplace();
        for (; output_count > 0; --output_count) {
            request.outputs->push_back(in.number<uint16_t>());
        }
    }
}

// A response with one FP32 output, which lies where the input does, in the block of the inputs that
// begins at `block`.
inline void write_named_back(MessageWriter& out, const SeenTensor& input, uint64_t block) {
    out.number(uint16_t{0});  // no error
    out.number(uint16_t{1});
    out.number(uint32_t{0});  // parameters
    out.number(uint64_t{0});  // no block of its own
    out.number(uint64_t{0});
    out.number(uint16_t{0});
    out.number(uint8_t{11});
    out.number(static_cast<uint8_t>(input.dims.size()));
    out.number(uint32_t{1});
    out.number(block + input.offset);
    out.number(static_cast<uint64_t>(input.bytes.size()));
    out.dims(input.dims);
}

inline void write_made_response(MessageWriter& out, const MadeResponse& response, uint64_t block,
                           uint64_t& end) {
    out.number(uint8_t{response.error.has_value()});
    out.number(response.error ? response.error->first : uint8_t{0});
    out.number(static_cast<uint16_t>(response.outputs.size()));
    out.number(static_cast<uint32_t>(response.parameters.size()));
    out.number(response.outputs.empty() ? uint64_t{0} : block);
    out.number(uint64_t{0});
    if (response.error) {
        out.text(response.error->second);
    }
    write_parameters(out, response.parameters);
    for (const MadeTensor& output : response.outputs) {
        out.number(output.index);
        out.number(output.data_type);
        out.number(static_cast<uint8_t>(output.dims.size()));
        out.number(uint32_t{0});
        uint64_t offset = (end + 63) / 64 * 64;
        end = offset + output.bytes.size();
        out.number(offset);
        out.number(static_cast<uint64_t>(output.bytes.size()));
        out.dims(output.dims);
    }
}

}  // namespace tritonpy
