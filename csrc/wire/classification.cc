#include "wire/classification.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

#include "base/limits.h"
#include "tensor/bytes_tensor.h"

namespace tritonpy {

namespace {

// Rows of equal length, and how many classes are taken of each.
struct Layout {
    size_t rows;
    size_t row_elements;
    size_t classes;
};

Result<Layout> layout_of(const Tensor& output, uint32_t count, const ModelIdentity& model) {
    bool batched = model.max_batch_size > 0 && output.shape.rank() > 0;
    std::optional<int64_t> rows = batched ? output.shape[0] : int64_t{1};
    std::optional<int64_t> row_elements =
        batched ? element_count(output.shape.row_dims()) : output.shape.element_count();
    std::optional<size_t> size = byte_size(output.data_type, output.shape.dims());
    if (!row_elements || size != output.data.size()) {
        return internal_error("output '" + output.name + "' of model '" + model.name + "' has " +
                              std::to_string(output.data.size()) + " bytes, not those of shape " +
                              output.shape.to_string());
    }
    if (*row_elements > limits::kMaxClassificationElements) {
        return invalid_arg("classification output tensor too large");
    }
    auto elements = static_cast<size_t>(*row_elements);
    return Layout{static_cast<size_t>(*rows), elements, std::min<size_t>(count, elements)};
}

template <typename T>
bool ranks_before(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
        if (std::isnan(a) || std::isnan(b)) {
            return !std::isnan(a) && std::isnan(b);
        }
    }
    return a > b;
}

void append_element(std::string& out, std::string_view element) {
    const size_t before = out.size();
    out.resize(before + kBytesLengthSize + element.size());
    write_bytes_element(reinterpret_cast<std::byte*>(out.data()) + before, element);
}

template <typename T>
void classify_rows(const Tensor& output, const Layout& layout, const TensorSpec* spec,
                   std::string& out) {
    std::vector<T> row(layout.row_elements);
    std::vector<uint32_t> order(layout.row_elements);
    for (size_t index = 0; index < layout.rows && !row.empty(); ++index) {
        // Copied, because a tensor inside a message need not be aligned.
        size_t row_bytes = layout.row_elements * sizeof(T);
        std::memcpy(row.data(), output.data.data() + index * row_bytes, row_bytes);
        std::iota(order.begin(), order.end(), 0u);
        auto last = order.begin() + static_cast<std::ptrdiff_t>(layout.classes);
        std::partial_sort(order.begin(), last, order.end(), [&](uint32_t a, uint32_t b) {
            if (ranks_before(row[a], row[b])) {
                return true;
            }
            return !ranks_before(row[b], row[a]) && a < b;
        });
        for (auto at = order.begin(); at != last; ++at) {
            std::string text = std::to_string(row[*at]) + ":" + std::to_string(*at);
            if (spec != nullptr && *at < spec->labels.size() && !spec->labels[*at].empty()) {
                text += ":" + spec->labels[*at];
            }
            append_element(out, text);
        }
    }
}

using ClassifyRows = void (*)(const Tensor&, const Layout&, const TensorSpec*, std::string&);

// Null for types that have no order or no text.
ClassifyRows classifier_of(DataType type) {
    switch (type) {
        case DataType::kUint8:
            return classify_rows<uint8_t>;
        case DataType::kUint16:
            return classify_rows<uint16_t>;
        case DataType::kUint32:
            return classify_rows<uint32_t>;
        case DataType::kUint64:
            return classify_rows<uint64_t>;
        case DataType::kInt8:
            return classify_rows<int8_t>;
        case DataType::kInt16:
            return classify_rows<int16_t>;
        case DataType::kInt32:
            return classify_rows<int32_t>;
        case DataType::kInt64:
            return classify_rows<int64_t>;
        case DataType::kFp32:
            return classify_rows<float>;
        case DataType::kFp64:
            return classify_rows<double>;
        case DataType::kBool:
        case DataType::kFp16:
        case DataType::kBf16:
        case DataType::kBytes:
        case DataType::kInvalid:
            break;
    }
    return nullptr;
}

}  // namespace

Result<Classes> classify(const Tensor& output, uint32_t count, const ModelIdentity& model) {
    ClassifyRows rows = classifier_of(output.data_type);
    if (rows == nullptr) {
        return invalid_arg("class result not available for output due to unsupported type '" +
                           std::string(wire_name(output.data_type)) + "'");
    }
    TRITONPY_ASSIGN_OR_RETURN(Layout layout, layout_of(output, count, model));
    Classes classes;
    if (model.max_batch_size > 0) {
        classes.shape.append(static_cast<int64_t>(layout.rows));
    }
    classes.shape.append(static_cast<int64_t>(layout.classes));
    rows(output, layout, model.find_output(output.name), classes.data);
    return classes;
}

}  // namespace tritonpy
