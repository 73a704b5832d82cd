#include "bindings/worker/output_block.h"

#include <cstring>
#include <limits>
#include <utility>

#include "bindings/worker/numpy_array.h"
#include "tensor/data_type.h"

namespace tritonpy {

namespace {

constexpr auto kBytes = static_cast<int64_t>(DataType::kBytes);
constexpr Py_ssize_t kMaxDims = std::numeric_limits<uint8_t>::max();
constexpr size_t kLarge = size_t{256} << 10;
constexpr uint64_t kAlignment = 64;

}  // namespace

std::optional<PlainTensor> PlainTensor::of(const PythonObject& tensor,
                                           const AttributeNames& names) {
    const int64_t code = tensor.attribute(names.code).integer();
    PythonObject array = tensor.attribute(names.array);
    const auto bytes = bytes_of(array);
    if (code == kBytes || !bytes || bytes->size() >= kLarge) {
        return std::nullopt;
    }
    PythonObject shape = tensor.attribute(names.shape);
    const Py_ssize_t dim_count = shape.size();
    if (dim_count > kMaxDims) {
        return std::nullopt;
    }
    return PlainTensor{static_cast<uint8_t>(code), static_cast<uint8_t>(dim_count),
                       std::move(shape), std::move(array), *bytes};
}

void OutputBlock::add(const PlainTensor& tensor, uint64_t base, MessageWriter& writer) {
    const uint64_t size = tensor.bytes.size();
    writer.number(end_ - base);
    writer.number(size);
    for (Py_ssize_t dim = 0; dim < tensor.dim_count; ++dim) {
        writer.number(tensor.shape.item(dim).integer());
    }
    if (size > 0) {
        pieces_.push_back({tensor.array, tensor.bytes, end_});
        end_ = (end_ + size + kAlignment - 1) / kAlignment * kAlignment;
    }
}

uint64_t OutputBlock::write(OutputBlocks& blocks) const {
    if (pieces_.empty()) {
        return 0;
    }
    const OutputBlocks::Block block = blocks.lend(end_);
    for (const Piece& piece : pieces_) {
        std::memcpy(reinterpret_cast<std::byte*>(block.address) + piece.at, piece.bytes.data(),
                    piece.bytes.size());
    }
    return block.place;
}

}  // namespace tritonpy
