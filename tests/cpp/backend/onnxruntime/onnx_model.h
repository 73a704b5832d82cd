// Tiny ONNX models for tests, written as protobuf by hand, so that no test needs a model file or
// the Python package that makes them.
//
// Threads: compatible. A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/onnxruntime_abi.h"

namespace tritonpy {

struct OnnxModel {
    struct Value {
        std::string name = {};
        ort::ElementType type = ort::ElementType::kFloat;
        // -1 is an open dimension; nothing at all: the model says no shape.
        std::optional<std::vector<int64_t>> dims = {};
        bool sequence = false;  // a sequence of such tensors
    };
    struct Node {
        std::string op;
        std::vector<std::string> inputs;
        std::vector<std::string> outputs;
        std::vector<std::pair<std::string, int64_t>> attributes = {};
    };
    struct Initializer {
        std::string name = {};
        ort::ElementType type = ort::ElementType::kFloat;
        std::vector<int64_t> dims = {};
        std::string data = {};  // little-endian elements
    };

    std::vector<Value> inputs;
    std::vector<Value> outputs;
    std::vector<Node> nodes;
    std::vector<Initializer> initializers;

    // The bytes of a model file, with operator set 17.
    std::string encode() const;
};

}  // namespace tritonpy
