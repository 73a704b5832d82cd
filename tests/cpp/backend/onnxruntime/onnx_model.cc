#include "backend/onnxruntime/onnx_model.h"

namespace tritonpy {

namespace {

// A protobuf message under construction. Field numbers are those of the ONNX format.
class Message {
  public:
    Message& number(int field, int64_t value) {
        varint(static_cast<uint64_t>(field) << 3);
        varint(static_cast<uint64_t>(value));
        return *this;
    }
    Message& bytes(int field, const std::string& value) {
        varint((static_cast<uint64_t>(field) << 3) | 2);
        varint(value.size());
        bytes_ += value;
        return *this;
    }
    Message& message(int field, const Message& value) { return bytes(field, value.bytes_); }
    const std::string& encoded() const { return bytes_; }

  private:
    void varint(uint64_t value) {
        for (; value >= 0x80; value >>= 7) {
            bytes_.push_back(static_cast<char>(value | 0x80));
        }
        bytes_.push_back(static_cast<char>(value));
    }
    std::string bytes_;
};

Message tensor_type(const OnnxModel::Value& value) {
    Message tensor;
    tensor.number(1, static_cast<int64_t>(value.type));
    if (value.dims) {
        Message shape;
        for (size_t index = 0; index < value.dims->size(); ++index) {
            Message dim;
            if (int64_t size = (*value.dims)[index]; size >= 0) {
                dim.number(1, size);
            } else {
                dim.bytes(2, value.name + "_" + std::to_string(index));
            }
            shape.message(1, dim);
        }
        tensor.message(2, shape);
    }
    Message type;
    type.message(1, tensor);
    return type;
}

Message value_info(const OnnxModel::Value& value) {
    Message type = tensor_type(value);
    if (value.sequence) {
        Message sequence;
        sequence.message(1, type);
        type = Message();
        type.message(4, sequence);
    }
    Message info;
    return info.bytes(1, value.name).message(2, type);
}

Message node(const OnnxModel::Node& given) {
    Message made;
    for (const std::string& name : given.inputs) {
        made.bytes(1, name);
    }
    for (const std::string& name : given.outputs) {
        made.bytes(2, name);
    }
    made.bytes(4, given.op);
    for (const auto& [name, value] : given.attributes) {
        constexpr int64_t kInt = 2;
        Message attribute;
        made.message(5, attribute.bytes(1, name).number(3, value).number(20, kInt));
    }
    return made;
}

Message initializer(const OnnxModel::Initializer& given) {
    Message made;
    for (int64_t dim : given.dims) {
        made.number(1, dim);
    }
    made.number(2, static_cast<int64_t>(given.type));
    return made.bytes(8, given.name).bytes(9, given.data);
}

}  // namespace

std::string OnnxModel::encode() const {
    Message graph;
    for (const Node& given : nodes) {
        graph.message(1, node(given));
    }
    graph.bytes(2, "test");
    for (const Initializer& given : initializers) {
        graph.message(5, initializer(given));
    }
    for (const Value& value : inputs) {
        graph.message(11, value_info(value));
    }
    for (const Value& value : outputs) {
        graph.message(12, value_info(value));
    }
    Message operator_set;
    operator_set.bytes(1, "").number(2, 17);
    Message model;
    return model.number(1, 8).message(7, graph).message(8, operator_set).encoded();
}

}  // namespace tritonpy
