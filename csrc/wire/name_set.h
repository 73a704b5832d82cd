// The names seen so far in one request, to find the second use of one.
//
// Few names are compared one by one; many go into a tree, so that thousands of names chosen by a
// client cost n log n and no hash can be made to collide.
//
// Threads: compatible. Borrows: the names, which must outlive it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <string_view>

namespace tritonpy {

class NameSet {
  public:
    // False when `name` was inserted before.
    bool insert(std::string_view name) {
        auto* few_end = few_.data() + few_count_;
        if (std::find(few_.data(), few_end, name) != few_end) {
            return false;
        }
        if (few_count_ < few_.size()) {
            few_[few_count_++] = name;
            return true;
        }
        return many_.insert(name).second;
    }

  private:
    std::array<std::string_view, 8> few_;
    size_t few_count_ = 0;
    std::set<std::string_view> many_;
};

}  // namespace tritonpy
