#include "model/cached_answer_bytes.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "tensor/bytes_tensor.h"

namespace tritonpy {

namespace {

constexpr uint32_t kMagic = 0x41595054;  // "TPYA"
constexpr uint32_t kLayout = 1;
constexpr size_t kAlignment = 16;

static_assert(std::endian::native == std::endian::little);

size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

class Writer {
  public:
    explicit Writer(std::string& out) : out_(out) {}

    template <typename Number>
    void number(Number value) {
        out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void text(std::string_view text) {
        number(static_cast<uint32_t>(text.size()));
        out_.append(text);
    }
    void value(const ParameterValue& value) {
        number(static_cast<uint8_t>(value.index()));
        std::visit(
            [this](const auto& given) {
                if constexpr (std::is_same_v<std::decay_t<decltype(given)>, std::string>) {
                    text(given);
                } else {
                    number(given);
                }
            },
            value);
    }
    void pad() { out_.resize(aligned(out_.size())); }

  private:
    std::string& out_;
};

// Reads from the front; says nothing where too few bytes are left.
class Reader {
  public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    template <typename Number>
    std::optional<Number> number() {
        const auto taken = take(sizeof(Number));
        if (!taken) {
            return std::nullopt;
        }
        Number value;
        std::memcpy(&value, taken->data(), sizeof value);
        return value;
    }
    std::optional<std::string> text() {
        const auto size = number<uint32_t>();
        const auto taken = size ? take(*size) : std::nullopt;
        if (!taken) {
            return std::nullopt;
        }
        return std::string(reinterpret_cast<const char*>(taken->data()), taken->size());
    }
    std::optional<ParameterValue> value();
    std::optional<std::span<const std::byte>> take(size_t size) {
        if (size > bytes_.size() - at_) {
            return std::nullopt;
        }
        const auto taken = bytes_.subspan(at_, size);
        at_ += size;
        return taken;
    }
    // To where the next output lies.
    bool skip_padding() { return take(aligned(at_) - at_).has_value(); }
    bool at_end() const { return at_ == bytes_.size(); }

  private:
    template <typename Number>
    std::optional<ParameterValue> number_value() {
        const auto read = number<Number>();
        return read ? std::optional<ParameterValue>(*read) : std::nullopt;
    }

    std::span<const std::byte> bytes_;
    size_t at_ = 0;
};

std::optional<ParameterValue> Reader::value() {
    const auto kind = number<uint8_t>();
    if (!kind) {
        return std::nullopt;
    }
    switch (*kind) {
        case 0: {
            const auto read = number<uint8_t>();
            return read && *read <= 1 ? std::optional<ParameterValue>(*read == 1) : std::nullopt;
        }
        case 1:
            return number_value<int64_t>();
        case 2:
            return number_value<uint64_t>();
        case 3:
            return number_value<double>();
        case 4: {
            auto read = text();
            return read ? std::optional<ParameterValue>(std::move(*read)) : std::nullopt;
        }
        default:
            return std::nullopt;
    }
}

std::optional<Parameter> read_parameter(Reader& reader) {
    auto name = reader.text();
    auto value = name ? reader.value() : std::nullopt;
    if (!value) {
        return std::nullopt;
    }
    return Parameter{std::move(*name), std::move(*value)};
}

std::optional<Shape> read_shape(Reader& reader) {
    const auto rank = reader.number<uint32_t>();
    if (!rank || *rank > limits::kMaxRank) {
        return std::nullopt;
    }
    Shape shape;
    for (uint32_t i = 0; i < *rank; ++i) {
        const auto dim = reader.number<int64_t>();
        if (!dim || *dim < 0) {
            return std::nullopt;
        }
        shape.append(*dim);
    }
    return shape;
}

// An output without its bytes, whose number is put into `size`.
std::optional<Tensor> read_output(Reader& reader, const ModelIdentity& model, size_t& size) {
    auto name = reader.text();
    const TensorSpec* spec = name ? model.find_output(*name) : nullptr;
    const auto type = reader.number<uint8_t>();
    if (spec == nullptr || !type || *type != static_cast<uint8_t>(spec->data_type)) {
        return std::nullopt;
    }
    auto shape = read_shape(reader);
    const auto read_size = reader.number<uint64_t>();
    if (!shape || !read_size) {
        return std::nullopt;
    }
    size = *read_size;
    Tensor output;
    output.name = std::move(*name);
    output.data_type = spec->data_type;
    output.shape = std::move(*shape);
    return output;
}

// Whether an output has as many elements as its shape says.
bool is_whole(const Tensor& output) {
    const std::optional<int64_t> count = output.shape.element_count();
    if (!count) {
        return false;
    }
    if (output.data_type == DataType::kBytes) {
        const BytesScan scan = scan_bytes(output.data);
        return scan.fault == BytesFault::kNone && scan.element_count == *count;
    }
    return byte_size(output.data_type, output.shape.dims()) == output.data.size();
}

bool read_parameters(Reader& reader, uint32_t count, std::vector<Parameter>& parameters) {
    for (uint32_t i = 0; i < count; ++i) {
        auto parameter = read_parameter(reader);
        if (!parameter) {
            return false;
        }
        parameters.push_back(std::move(*parameter));
    }
    return true;
}

bool read_outputs(Reader& reader, uint32_t count, const ModelIdentity& model,
                  const BufferRef& bytes, std::vector<Tensor>& outputs) {
    std::vector<size_t> sizes(count);
    for (size_t& size : sizes) {
        auto output = read_output(reader, model, size);
        if (!output) {
            return false;
        }
        outputs.push_back(std::move(*output));
    }
    for (size_t i = 0; i < count; ++i) {
        const auto data = reader.skip_padding() ? reader.take(sizes[i]) : std::nullopt;
        if (!data) {
            return false;
        }
        outputs[i].data = *data;
        outputs[i].buffer = bytes;
        if (!is_whole(outputs[i])) {
            return false;
        }
    }
    return true;
}

}  // namespace

size_t answer_size(const InferenceResponse& response) {
    size_t size = 4 * sizeof(uint32_t);
    for (const Parameter& parameter : response.parameters) {
        const auto* text = std::get_if<std::string>(&parameter.value);
        const size_t number = parameter.value.index() == 0 ? sizeof(bool) : sizeof(uint64_t);
        size += sizeof(uint32_t) + parameter.name.size() + sizeof(uint8_t);
        size += text == nullptr ? number : sizeof(uint32_t) + text->size();
    }
    for (const Tensor& output : response.outputs) {
        size += 2 * sizeof(uint32_t) + output.name.size() + sizeof(uint8_t);
        size += output.shape.rank() * sizeof(int64_t) + sizeof(uint64_t);
    }
    for (const Tensor& output : response.outputs) {
        size = aligned(size) + output.data.size();
    }
    return size;
}

std::string write_answer(const InferenceResponse& response) {
    std::string bytes;
    bytes.reserve(answer_size(response));
    Writer writer(bytes);
    writer.number(kMagic);
    writer.number(kLayout);
    writer.number(static_cast<uint32_t>(response.parameters.list().size()));
    writer.number(static_cast<uint32_t>(response.outputs.size()));
    for (const Parameter& parameter : response.parameters) {
        writer.text(parameter.name);
        writer.value(parameter.value);
    }
    for (const Tensor& output : response.outputs) {
        writer.text(output.name);
        writer.number(static_cast<uint8_t>(output.data_type));
        writer.number(static_cast<uint32_t>(output.shape.rank()));
        for (const int64_t dim : output.shape.dims()) {
            writer.number(dim);
        }
        writer.number(static_cast<uint64_t>(output.data.size()));
    }
    for (const Tensor& output : response.outputs) {
        writer.pad();
        bytes.append(reinterpret_cast<const char*>(output.data.data()), output.data.size());
    }
    return bytes;
}

std::shared_ptr<const CachedResponse> read_answer(const BufferRef& bytes,
                                                  const ModelIdentity& model) {
    Reader reader({bytes->data(), bytes->size()});
    const auto magic = reader.number<uint32_t>();
    const auto layout = reader.number<uint32_t>();
    const auto parameter_count = reader.number<uint32_t>();
    const auto output_count = reader.number<uint32_t>();
    if (magic != kMagic || layout != kLayout || !output_count ||
        *parameter_count > limits::kMaxParameters ||
        *output_count > limits::kMaxTensorsPerRequest) {
        return nullptr;
    }
    auto answer = std::make_shared<CachedResponse>();
    std::vector<Parameter> parameters;
    const bool good = read_parameters(reader, *parameter_count, parameters) &&
                      read_outputs(reader, *output_count, model, bytes, answer->outputs) &&
                      reader.at_end();
    if (!good) {
        return nullptr;
    }
    answer->parameters = std::move(parameters);
    return answer;
}

}  // namespace tritonpy
