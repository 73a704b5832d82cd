// gzip and deflate of HTTP bodies and gRPC messages, through zlib, bounded both ways.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "memory/block_pool.h"
#include "wire/encoded_body.h"

namespace tritonpy {

enum class ContentCoding : uint8_t { kIdentity, kGzip, kDeflate };

// "identity", "gzip", "deflate".
std::string_view name_of(ContentCoding coding);

// The coding of a Content-Encoding or grpc-encoding value, in any case, spaces around it ignored;
// identity for "". Nothing for a coding that is not known.
std::optional<ContentCoding> content_coding_of(std::string_view name);

// The coding of a response for an Accept-Encoding header: the first of the highest weight among
// gzip, deflate and identity. A weight of 0 never wins, and entries that cannot be read, `*` among
// them, count as not there.
ContentCoding choose_coding(std::string_view accept_encoding);

// Undoes a coding (not identity). invalid_arg `failed to decompress the request body: ...` for data
// that is not of it, ends early or goes on after its end (as a second gzip member does);
// invalid_arg `Decompressed data size exceeds ...` above max_size, and never makes more than that.
// unavailable without memory. REQUIRES: max_size is below the largest size_t.
Result<BufferRef> decompress(const BufferRef& data, ContentCoding coding, size_t max_size,
                             BlockPool& pool);

// The bytes of a body in a coding (not identity); level as zlib's, 1 to 9. Empty without memory:
// then the body is sent as it is.
std::string compress(const EncodedBody& body, ContentCoding coding, int level);

}  // namespace tritonpy
