#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace tritonpy {

// libcrypto fails here for want of memory alone.
Sha256::Sha256() : state_(EVP_MD_CTX_new()) {
    TRITONPY_CHECK(state_ != nullptr);
    TRITONPY_CHECK(EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::Free::operator()(evp_md_ctx_st* state) const { EVP_MD_CTX_free(state); }

void Sha256::add(std::span<const std::byte> bytes) {
    TRITONPY_CHECK(EVP_DigestUpdate(state_.get(), bytes.data(), bytes.size()) == 1);
}

void Sha256::add_number(uint64_t number) { add(std::as_bytes(std::span(&number, 1))); }

void Sha256::add_text(std::string_view text) {
    add_number(text.size());
    add(std::as_bytes(std::span(text)));
}

Sha256::Digest Sha256::finish() {
    Digest digest;
    TRITONPY_CHECK(EVP_DigestFinal_ex(state_.get(),
                                      reinterpret_cast<unsigned char*>(digest.data()),
                                      nullptr) == 1);
    return digest;
}

}  // namespace tritonpy
