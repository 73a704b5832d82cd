// Goal: JSON, binary and protobuf are three spellings of one request.
// Method: random tensors of every type and many shapes, seeded, are encoded as a response; a V2
// response differs from a request in one JSON key and one field number, so that after renaming
// those the decoder must give the very same tensors back. Typed protobuf contents are written here.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "wire/protobuf_reader.h"
#include "wire/request_invariants.h"
#include "wire/wire_fixture.h"

namespace tritonpy {
namespace {

constexpr uint64_t kSeed = 20240607;
constexpr int kRounds = 400;

// Whether tensors must have a JSON form: no FP16, UTF-8 strings, canonical booleans and NaN.
enum class Form : uint8_t { kAny, kJson };

class Generator {
  public:
    explicit Generator(uint64_t seed) : random_(seed) {}

    size_t below(size_t bound) { return random_() % bound; }

    InferenceResponse response(Form form) {
        InferenceResponse made = make_response({});
        made.request->id = below(3) == 0 ? "" : "id-" + std::to_string(below(1000));
        size_t outputs = below(4);
        for (size_t index = 0; index < outputs; ++index) {
            made.outputs.push_back(tensor("T" + std::to_string(index), form));
        }
        made.parameters = {{"flag", below(2) == 0},
                           {"number", -static_cast<int64_t>(below(1u << 30))},
                           {"real", static_cast<double>(below(1000)) + 0.1},
                           {"text", text()}};
        return made;
    }

  private:
    Shape shape() {
        Shape made;
        size_t rank = below(5);
        for (size_t index = 0; index < rank; ++index) {
            made.append(static_cast<int64_t>(below(4)));
        }
        return made;
    }

    std::string text() {
        static constexpr std::string_view kPieces[] = {"a", "\"", "\\", "\n", "\xC3\xA9", "\x01",
                                                       "\xF0\x9F\x98\x80", "/"};
        std::string made;
        for (size_t count = below(6); count > 0; --count) {
            made += kPieces[below(std::size(kPieces))];
        }
        made.append(below(2), '\0');
        return made;
    }

    template <typename T>
    void canonicalise(std::vector<std::byte>& bytes) {
        for (size_t at = 0; at < bytes.size(); at += sizeof(T)) {
            T value;
            std::memcpy(&value, bytes.data() + at, sizeof(T));
            value = std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : value;
            std::memcpy(bytes.data() + at, &value, sizeof(T));
        }
    }

    Tensor tensor(std::string name, Form form) {
        auto type = static_cast<DataType>(1 + below(14));
        if (form == Form::kJson && (type == DataType::kFp16 || type == DataType::kBf16)) {
            type = DataType::kFp32;
        }
        Shape dims = shape();
        auto count = static_cast<size_t>(*dims.element_count());
        if (type == DataType::kBytes) {
            std::vector<std::string> elements;
            for (size_t index = 0; index < count; ++index) {
                elements.push_back(text() + (form == Form::kAny ? "\xFF" : ""));
            }
            return make_string_tensor(std::move(name), dims, elements);
        }
        std::vector<std::byte> bytes(count * size_of(type));
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(below(type == DataType::kBool ? 2 : 256));
        }
        if (type == DataType::kFp32) {
            canonicalise<float>(bytes);
        } else if (type == DataType::kFp64) {
            canonicalise<double>(bytes);
        }
        return make_raw_tensor(std::move(name), type, dims, bytes);
    }

    std::mt19937_64 random_;
};

void expect_same_tensors(const std::vector<Tensor>& got, const std::vector<Tensor>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (size_t index = 0; index < got.size(); ++index) {
        EXPECT_EQ(got[index].name, expected[index].name);
        EXPECT_EQ(got[index].data_type, expected[index].data_type);
        EXPECT_EQ(got[index].shape, expected[index].shape);
        EXPECT_EQ(text_of(got[index].data), text_of(expected[index].data))
            << wire_name(got[index].data_type);
    }
}

void expect_same_request(const InferenceRequest& got, const InferenceResponse& response) {
    check_decoded_request(got);
    EXPECT_EQ(got.id, response.request->id);
    EXPECT_EQ(got.parameters, response.parameters);
    expect_same_tensors(got.inputs, response.outputs);
}

// The encoded response as the request with the same tensors.
JsonResult decode_json_response(const InferenceResponse& response) {
    EncodedBody body;
    Status status = encode_infer_json(response, body);
    EXPECT_TRUE(status.ok()) << status.message();
    std::string text = joined(body);
    constexpr std::string_view kOld = "\"outputs\":";
    constexpr std::string_view kNew = "\"inputs\":";
    text.replace(text.find(kOld), kOld.size(), kNew);
    std::optional<int64_t> json_length;
    if (body.json_length) {
        json_length = static_cast<int64_t>(*body.json_length - kOld.size() + kNew.size());
    }
    return decode_json(text, json_length);
}

std::string request_of(std::string_view response) {
    ProtobufWriter out;
    ProtobufReader reader(std::as_bytes(std::span(response)));
    while (reader.next()) {
        uint32_t field = reader.tag() >> 3;
        std::span<const std::byte> value = reader.bytes();
        out.bytes_field(field == 6 ? 7 : field, text_of(value));
    }
    EXPECT_EQ(reader.failure(), nullptr);
    return out.take();
}

TEST(RoundTrip, json) {
    Generator generator(kSeed);
    for (int round = 0; round < kRounds; ++round) {
        SCOPED_TRACE(testing::Message() << "seed " << kSeed << " round " << round);
        InferenceResponse response = generator.response(Form::kJson);
        JsonResult decoded = decode_json_response(response);
        ASSERT_TRUE(decoded.result.ok()) << decoded.result.status().message();
        expect_same_request(*decoded.result.value(), response);
    }
}

TEST(RoundTrip, json_with_binary_tensors_in_any_mixture) {
    Generator generator(kSeed + 1);
    for (int round = 0; round < kRounds; ++round) {
        SCOPED_TRACE(testing::Message() << "seed " << kSeed + 1 << " round " << round);
        Form form = generator.below(2) == 0 ? Form::kJson : Form::kAny;
        InferenceResponse response = generator.response(form);
        response.request->binary_data_output = form == Form::kAny || generator.below(2) == 0;
        if (form == Form::kJson) {
            for (const Tensor& tensor : response.outputs) {
                request_output(response, tensor.name, 0, generator.below(2) == 0);
            }
        }
        JsonResult decoded = decode_json_response(response);
        ASSERT_TRUE(decoded.result.ok()) << decoded.result.status().message();
        expect_same_request(*decoded.result.value(), response);
    }
}

TEST(RoundTrip, protobuf_with_raw_contents) {
    Generator generator(kSeed + 2);
    for (int round = 0; round < kRounds; ++round) {
        SCOPED_TRACE(testing::Message() << "seed " << kSeed + 2 << " round " << round);
        InferenceResponse response = generator.response(Form::kAny);
        EncodedBody body;
        ASSERT_TRUE(encode_infer_protobuf(response, body).ok());
        ProtobufResult decoded = decode_protobuf(request_of(joined(body)));
        ASSERT_TRUE(decoded.result.ok()) << decoded.result.status().message();
        EXPECT_EQ(decoded.result.value().request->model_name, "m");
        EXPECT_EQ(decoded.result.value().request->model_version, 3);
        expect_same_request(*decoded.result.value().request, response);
    }
}

// InferTensorContents of a tensor, packed or not.
template <typename T, typename Wide>
std::string varint_contents(const Tensor& tensor, uint32_t field, bool packed) {
    ProtobufWriter numbers;
    ProtobufWriter fields;
    for (T value : values_of<T>(tensor)) {
        numbers.varint(static_cast<uint64_t>(static_cast<Wide>(value)));
        fields.varint_field(field, static_cast<uint64_t>(static_cast<Wide>(value)));
    }
    if (packed) {
        fields = ProtobufWriter();
        fields.bytes_field(field, numbers.bytes());
    }
    return fields.take();
}

std::string fixed_contents(const Tensor& tensor, uint32_t field, bool packed) {
    ProtobufWriter out;
    if (packed) {
        out.bytes_field(field, text_of(tensor.data));
        return out.take();
    }
    size_t width = size_of(tensor.data_type);
    WireType type = width == 4 ? WireType::kFixed32 : WireType::kFixed64;
    for (size_t at = 0; at < tensor.data.size(); at += width) {
        out.varint(protobuf_tag(field, type));
        out.append(text_of(tensor.data.subspan(at, width)));
    }
    return out.take();
}

std::string contents_of(const Tensor& tensor, bool packed) {
    switch (tensor.data_type) {
        case DataType::kBool:
            return varint_contents<uint8_t, uint64_t>(tensor, 1, packed);
        case DataType::kInt8:
            return varint_contents<int8_t, int64_t>(tensor, 2, packed);
        case DataType::kInt16:
            return varint_contents<int16_t, int64_t>(tensor, 2, packed);
        case DataType::kInt32:
            return varint_contents<int32_t, int64_t>(tensor, 2, packed);
        case DataType::kInt64:
            return varint_contents<int64_t, int64_t>(tensor, 3, packed);
        case DataType::kUint8:
            return varint_contents<uint8_t, uint64_t>(tensor, 4, packed);
        case DataType::kUint16:
            return varint_contents<uint16_t, uint64_t>(tensor, 4, packed);
        case DataType::kUint32:
            return varint_contents<uint32_t, uint64_t>(tensor, 4, packed);
        case DataType::kUint64:
            return varint_contents<uint64_t, uint64_t>(tensor, 5, packed);
        case DataType::kFp32:
            return fixed_contents(tensor, 6, packed);
        case DataType::kFp64:
            return fixed_contents(tensor, 7, packed);
        default: {
            ProtobufWriter out;
            for (const std::string& element : strings_of(tensor)) {
                out.bytes_field(8, element);
            }
            return out.take();
        }
    }
}

TEST(RoundTrip, protobuf_with_typed_contents) {
    Generator generator(kSeed + 3);
    for (int round = 0; round < kRounds; ++round) {
        SCOPED_TRACE(testing::Message() << "seed " << kSeed + 3 << " round " << round);
        InferenceResponse response = generator.response(Form::kJson);  // no FP16: it has no field
        RequestMessage message;
        for (const Tensor& tensor : response.outputs) {
            InputMessage input{tensor.name, std::string(wire_name(tensor.data_type)), {}, {}, {}};
            input.shape.assign(tensor.shape.dims().begin(), tensor.shape.dims().end());
            input.contents = contents_of(tensor, generator.below(2) == 0);
            message.inputs.push_back(input.bytes());
        }
        ProtobufResult decoded = decode_protobuf(message.bytes());
        ASSERT_TRUE(decoded.result.ok()) << decoded.result.status().message();
        check_decoded_request(*decoded.result.value().request);
        expect_same_tensors(decoded.result.value().request->inputs, response.outputs);
    }
}

}  // namespace
}  // namespace tritonpy
