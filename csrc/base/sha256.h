// SHA-256 in pieces, for keys that several machines must agree on and no client may forge.
//
// It has the face of KeyedHash (keyed_hash.h), which is faster and has a secret instead: callers
// put lengths before what varies (add_text does).
//
// Threads: compatible. Owns: libcrypto's state of one hash.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

struct evp_md_ctx_st;

namespace tritonpy {

class Sha256 {
  public:
    using Digest = std::array<std::byte, 32>;

    Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;

    void add(std::span<const std::byte> bytes);
    void add_number(uint64_t number);
    // The length, then the characters.
    void add_text(std::string_view text);

    // The hash of all that was added. Comes last.
    Digest finish();

  private:
    struct Free {
        void operator()(evp_md_ctx_st* state) const;
    };
    std::unique_ptr<evp_md_ctx_st, Free> state_;
};

}  // namespace tritonpy
