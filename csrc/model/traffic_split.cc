#include "model/traffic_split.h"

#include <algorithm>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/keyed_hash.h"
#include "scheduler/sequence_slots.h"

namespace tritonpy {

namespace {

uint64_t point_of(std::string_view text) {
    KeyedHash hash{KeyedHash::Key{}};  // no secret: every replica is to decide alike
    hash.add_text(text);
    return hash.finish().low;
}

// The number 7 and the text "7" are the same user.
std::string text_of(const ParameterValue& value) {
    return std::visit(
        [](const auto& given) {
            if constexpr (std::is_same_v<std::decay_t<decltype(given)>, std::string>) {
                return given;
            } else {
                return std::to_string(given);
            }
        },
        value);
}

std::string text_of(const CorrelationId& id) {
    const auto* number = std::get_if<uint64_t>(&id);
    return number != nullptr ? std::to_string(*number) : std::get<std::string>(id);
}

}  // namespace

TrafficSplit::TrafficSplit(std::vector<TrafficTarget> targets, StickyKey sticky,
                           std::vector<HeaderRule> rules)
    : targets_(std::move(targets)), sticky_(std::move(sticky)), rules_(std::move(rules)) {
    for (size_t index = 0; index < targets_.size(); ++index) {
        total_ += targets_[index].weight;
        if (targets_[index].weight > targets_[heaviest_].weight) {
            heaviest_ = index;
        }
    }
    TRITONPY_CHECK(total_ > 0 && total_ <= UINT32_MAX);
}

std::vector<std::string> TrafficSplit::header_names() const {
    std::vector<std::string> names;
    for (const HeaderRule& rule : rules_) {
        names.push_back(rule.name);
    }
    if (sticky_.kind == StickyKey::Kind::kHeader) {
        names.push_back(sticky_.name);
    }
    return names;
}

std::optional<size_t> TrafficSplit::ruled_target(const InferenceRequest& request) const {
    if (request.headers.empty()) {
        return std::nullopt;
    }
    for (const HeaderRule& rule : rules_) {
        for (const RequestHeader& header : request.headers) {
            if (header.name == rule.name && (!rule.value || header.value == *rule.value)) {
                return rule.target;
            }
        }
    }
    return std::nullopt;
}

std::optional<uint64_t> TrafficSplit::sticky_point(const InferenceRequest& request) const {
    if (!is_none(request.correlation_id)) {
        return point_of(text_of(request.correlation_id));
    }
    if (sticky_.kind == StickyKey::Kind::kRequestId && !request.id.empty()) {
        return point_of(request.id);
    }
    if (sticky_.kind == StickyKey::Kind::kParameter) {
        const auto found = std::ranges::find(request.parameters, sticky_.name, &Parameter::name);
        if (found != request.parameters.end()) {
            return point_of(text_of(found->value));
        }
    }
    if (sticky_.kind == StickyKey::Kind::kHeader) {
        const auto found = std::ranges::find(request.headers, sticky_.name, &RequestHeader::name);
        if (found != request.headers.end()) {
            return point_of(found->value);
        }
    }
    return std::nullopt;
}

size_t TrafficSplit::at(uint64_t point) const {
    uint64_t place = ((point >> 32) * total_) >> 32;  // in [0, total_)
    size_t index = 0;
    while (place >= targets_[index].weight) {
        place -= targets_[index].weight;
        ++index;
    }
    return index;
}

}  // namespace tritonpy
