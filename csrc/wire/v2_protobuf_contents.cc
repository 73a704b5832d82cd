#include "wire/v2_protobuf_contents.h"

#include <array>
#include <cstdint>
#include <string>

#include "tensor/bytes_tensor.h"
#include "wire/protobuf_reader.h"

namespace tritonpy {

namespace {

// Field numbers of InferTensorContents.
enum Field : uint32_t {
    kBoolContents = 1,
    kIntContents = 2,
    kInt64Contents = 3,
    kUintContents = 4,
    kUint64Contents = 5,
    kFp32Contents = 6,
    kFp64Contents = 7,
    kBytesContents = 8,
    kFieldEnd = 9,
};

// The field that carries a data type; 0 for types without one.
uint32_t field_of(DataType type) {
    switch (type) {
        case DataType::kBool:
            return kBoolContents;
        case DataType::kInt8:
        case DataType::kInt16:
        case DataType::kInt32:
            return kIntContents;
        case DataType::kInt64:
            return kInt64Contents;
        case DataType::kUint8:
        case DataType::kUint16:
        case DataType::kUint32:
            return kUintContents;
        case DataType::kUint64:
            return kUint64Contents;
        case DataType::kFp32:
            return kFp32Contents;
        case DataType::kFp64:
            return kFp64Contents;
        case DataType::kBytes:
            return kBytesContents;
        case DataType::kFp16:
        case DataType::kBf16:
        case DataType::kInvalid:
            break;
    }
    return 0;
}

// The type that a field is named for.
constexpr std::array<std::string_view, kFieldEnd> kFieldTypes{
    "", "BOOL", "INT32", "INT64", "UINT32", "UINT64", "FP32", "FP64", "BYTES"};

// How one element of a field stands on the wire. REQUIRES: 0 < field < kFieldEnd.
WireType element_type(uint32_t field) {
    switch (field) {
        case kFp32Contents:
            return WireType::kFixed32;
        case kFp64Contents:
            return WireType::kFixed64;
        case kBytesContents:
            return WireType::kLength;
        default:
            return WireType::kVarint;
    }
}

struct FieldCount {
    uint64_t elements = 0;
    uint64_t bytes = 0;      // kBytesContents: of all elements, without their lengths
    uint64_t pieces = 0;     // occurrences, packed ones counted as one
    std::span<const std::byte> last_packed;
};
using Counts = std::array<FieldCount, kFieldEnd>;

// A varint ends at the one byte without the continuation bit.
uint64_t count_varints(std::span<const std::byte> packed) {
    uint64_t count = 0;
    for (std::byte byte : packed) {
        count += (byte & std::byte{0x80}) == std::byte{0} ? 1 : 0;
    }
    return count;
}

// Takes one occurrence of `field`, which is not kBytesContents, packed.
const char* count_packed(uint32_t field, std::span<const std::byte> packed, FieldCount& count) {
    size_t width = field == kFp32Contents ? sizeof(float) : sizeof(double);
    switch (element_type(field)) {
        case WireType::kVarint:
            if (!packed.empty() && (packed.back() & std::byte{0x80}) != std::byte{0}) {
                return "packed numbers are cut short";
            }
            count.elements += count_varints(packed);
            break;
        default:
            if (packed.size() % width != 0) {
                return "packed numbers are cut short";
            }
            count.elements += packed.size() / width;
    }
    count.pieces += packed.empty() ? 0 : 1;
    count.last_packed = packed.empty() ? count.last_packed : packed;
    return nullptr;
}

// Counts what `contents` holds; returns what is malformed, or null.
const char* count_elements(std::span<const std::byte> contents, Counts& counts) {
    ProtobufReader reader(contents);
    while (reader.next()) {
        uint32_t field = reader.tag() >> 3;
        auto type = static_cast<WireType>(reader.tag() & 7);
        if (field >= kFieldEnd) {
            reader.skip();
        } else if (field == kBytesContents && type == WireType::kLength) {
            counts[field].bytes += reader.bytes().size();
            ++counts[field].elements;
        } else if (type == WireType::kLength) {
            if (const char* why = count_packed(field, reader.bytes(), counts[field])) {
                return why;
            }
        } else {
            reader.skip();
            bool element = type == element_type(field);
            counts[field].elements += element ? 1 : 0;
            counts[field].pieces += element ? 1 : 0;
        }
    }
    return reader.failure();
}

// Reads one element of a numeric field. REQUIRES: the reader stands on one.
template <typename T>
T read_element(ProtobufReader& reader) {
    if constexpr (std::is_floating_point_v<T>) {
        return reader.fixed<T>();
    } else {
        return static_cast<T>(reader.varint());  // bool: any bit
    }
}

// Writes all elements of a numeric field at `out` and moves it on.
template <typename T>
const char* convert_numbers(std::span<const std::byte> contents, uint32_t field, std::byte*& out) {
    auto store = [&out](T value) {
        std::memcpy(out, &value, sizeof(T));
        out += sizeof(T);
    };
    ProtobufReader reader(contents);
    while (reader.next()) {
        if (reader.tag() == protobuf_tag(field, element_type(field))) {
            T value = read_element<T>(reader);
            if (reader.failure() == nullptr) {
                store(value);
            }
        } else if (reader.tag() == protobuf_tag(field, WireType::kLength)) {
            ProtobufReader packed(reader.bytes());
            while (!packed.at_end()) {
                T value = read_element<T>(packed);
                if (packed.failure() != nullptr) {
                    return packed.failure();
                }
                store(value);
            }
        } else {
            reader.skip();
        }
    }
    return reader.failure();
}

const char* convert_strings(std::span<const std::byte> contents, std::byte*& out) {
    ProtobufReader reader(contents);
    while (reader.next()) {
        if (reader.tag() == protobuf_tag(kBytesContents, WireType::kLength)) {
            std::span<const std::byte> element = reader.bytes();
            out = write_bytes_element(
                out, {reinterpret_cast<const char*>(element.data()), element.size()});
        } else {
            reader.skip();
        }
    }
    return reader.failure();
}

const char* convert_contents(std::span<const std::byte> contents, DataType type, std::byte*& out) {
    uint32_t field = field_of(type);
    switch (type) {
        case DataType::kBool:
            return convert_numbers<bool>(contents, field, out);
        case DataType::kInt8:
        case DataType::kUint8:
            return convert_numbers<uint8_t>(contents, field, out);
        case DataType::kInt16:
        case DataType::kUint16:
            return convert_numbers<uint16_t>(contents, field, out);
        case DataType::kInt32:
        case DataType::kUint32:
            return convert_numbers<uint32_t>(contents, field, out);
        case DataType::kInt64:
        case DataType::kUint64:
            return convert_numbers<uint64_t>(contents, field, out);
        case DataType::kFp32:
            return convert_numbers<float>(contents, field, out);
        case DataType::kFp64:
            return convert_numbers<double>(contents, field, out);
        case DataType::kBytes:
            return convert_strings(contents, out);
        case DataType::kFp16:
        case DataType::kBf16:
        case DataType::kInvalid:
            break;
    }
    return nullptr;  // no field, so no elements
}

}  // namespace

Status malformed_request(const char* why) {
    return invalid_arg(std::string("failed to parse ModelInferRequest: ") + why);
}

Status decode_contents(std::span<const std::span<const std::byte>> occurrences,
                       const BufferRef& message, std::string_view model_name, BlockPool& pool,
                       Tensor& tensor) {
    Counts counts;
    for (std::span<const std::byte> contents : occurrences) {
        if (const char* why = count_elements(contents, counts)) {
            return malformed_request(why);
        }
    }
    uint32_t own_field = field_of(tensor.data_type);
    for (uint32_t field = 1; field < kFieldEnd; ++field) {
        if (field != own_field && counts[field].elements > 0) {
            return invalid_arg("unexpected explicit tensor data for input tensor '" + tensor.name +
                               "' for model '" + std::string(model_name) + "' of type '" +
                               std::string(kFieldTypes[field]) + "', expected datatype '" +
                               std::string(wire_name(tensor.data_type)) + "'");
        }
    }
    const FieldCount& count = counts[own_field];
    if (count.elements == 0) {
        return Status();
    }
    bool fixed = own_field == kFp32Contents || own_field == kFp64Contents;
    if (fixed && count.pieces == 1 && !count.last_packed.empty()) {
        tensor.data = count.last_packed;
        tensor.buffer = message;
        return Status();
    }
    size_t size = own_field == kBytesContents ? count.bytes + kBytesLengthSize * count.elements
                                              : count.elements * size_of(tensor.data_type);
    TRITONPY_ASSIGN_OR_RETURN(tensor.buffer, pool.allocate(size));
    std::byte* out = tensor.buffer->data();
    for (std::span<const std::byte> contents : occurrences) {
        if (const char* why = convert_contents(contents, tensor.data_type, out)) {
            return malformed_request(why);
        }
    }
    tensor.data = {tensor.buffer->data(), size};
    return Status();
}

}  // namespace tritonpy
