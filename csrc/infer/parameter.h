// A named value that travels with a request, a response or one of their tensors.
//
// Threads: compatible. A value.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tritonpy {

using ParameterValue = std::variant<bool, int64_t, uint64_t, double, std::string>;

struct Parameter {
    std::string name;
    ParameterValue value;

    friend bool operator==(const Parameter&, const Parameter&) = default;
};

// The parameters of a response: a list that does not change any more, so that the responses of a
// batch, and of every batch after it, can have the same one.
class SharedParameters {
  public:
    SharedParameters() = default;
    SharedParameters(std::vector<Parameter> list)  // NOLINT: a list is one that nobody shares yet
        : list_(list.empty() ? nullptr
                             : std::make_shared<const std::vector<Parameter>>(std::move(list))) {}
    SharedParameters(std::initializer_list<Parameter> list)
        : SharedParameters(std::vector<Parameter>(list)) {}

    const std::vector<Parameter>& list() const {
        static const std::vector<Parameter> none;
        return list_ == nullptr ? none : *list_;
    }
    bool empty() const { return list_ == nullptr; }
    auto begin() const { return list().begin(); }
    auto end() const { return list().end(); }

    friend bool operator==(const SharedParameters& a, const SharedParameters& b) {
        return a.list() == b.list();
    }

  private:
    std::shared_ptr<const std::vector<Parameter>> list_;  // shared: immutable; null: none
};

}  // namespace tritonpy
