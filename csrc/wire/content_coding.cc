#include "wire/content_coding.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "wire/ascii_text.h"

namespace tritonpy {

namespace {

// What zlib takes and gives in one call: its counters are 32 bits wide.
constexpr size_t kMaxZlibCall = size_t{1} << 30;
constexpr size_t kFirstBlock = 4096;
constexpr size_t kDeflateSpace = size_t{16} << 10;

// zlib's window bits say what wraps the data.
int window_bits_of(ContentCoding coding) {
    return coding == ContentCoding::kGzip ? 16 + MAX_WBITS : MAX_WBITS;
}

Bytef* zlib_bytes(const std::byte* bytes) {
    // zlib's input is not const, but it is not written.
    return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes));
}

// Gives the stream what comes next of `rest`, once it has used up what it had.
void feed(z_stream& stream, std::span<const std::byte>& rest) {
    if (stream.avail_in == 0) {
        size_t size = std::min(rest.size(), kMaxZlibCall);
        stream.next_in = zlib_bytes(rest.data());
        stream.avail_in = static_cast<uInt>(size);
        rest = rest.subspan(size);
    }
}

Status decompress_error(std::string_view what) {
    return invalid_arg("failed to decompress the request body: " + std::string(what));
}

// As Python words it.
Status decompress_error(int error, const char* message) {
    std::string text = "Error " + std::to_string(error) + " while decompressing data";
    return decompress_error(message == nullptr ? text : text + ": " + message);
}

// One decompression, into blocks that are joined at its end.
class Inflater {
  public:
    Inflater(ContentCoding coding, size_t max_size, BlockPool& pool)
        : max_size_(max_size), pool_(pool) {
        initialised_ = inflateInit2(&stream_, window_bits_of(coding)) == Z_OK;
    }
    ~Inflater() {
        if (initialised_) {
            inflateEnd(&stream_);
        }
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    Result<BufferRef> run(std::span<const std::byte> data) {
        if (!initialised_) {
            return unavailable("no memory to decompress with");
        }
        TRITONPY_RETURN_IF_ERROR(inflate_all(data));
        return joined();
    }

  private:
    Status inflate_all(std::span<const std::byte> rest) {
        int outcome = Z_OK;
        do {
            feed(stream_, rest);
            if (stream_.avail_out == 0) {
                TRITONPY_RETURN_IF_ERROR(add_block());
            }
            uInt room = stream_.avail_out;
            outcome = inflate(&stream_, Z_NO_FLUSH);
            size_ += room - stream_.avail_out;
            if (size_ > max_size_) {
                return invalid_arg("Decompressed data size exceeds the maximum allowed value of " +
                                   std::to_string(max_size_) +
                                   " bytes. Use --http-max-input-size to increase the limit.");
            }
        } while (outcome == Z_OK && (stream_.avail_in > 0 || !rest.empty() ||
                                     stream_.avail_out == 0));
        if (outcome == Z_MEM_ERROR) {
            return unavailable("no memory to decompress with");
        }
        if (outcome != Z_STREAM_END && outcome != Z_OK && outcome != Z_BUF_ERROR) {
            return decompress_error(outcome, stream_.msg);
        }
        if (outcome != Z_STREAM_END) {
            return decompress_error("it ends too early");
        }
        if (stream_.avail_in > 0 || !rest.empty()) {
            return decompress_error("it has data after its end");
        }
        return Status();
    }

    // Room for as much as there is already, so that the blocks never run far ahead of the data, and
    // for one byte more than may come, so that it shows.
    Status add_block() {
        size_t size = std::clamp(size_, kFirstBlock, limits::kMaxPooledBlock);
        size = std::min(size, max_size_ - size_ + 1);
        TRITONPY_ASSIGN_OR_RETURN(BufferRef block, pool_.allocate(size));
        stream_.next_out = zlib_bytes(block->data());
        stream_.avail_out = static_cast<uInt>(size);
        blocks_.push_back(std::move(block));
        return Status();
    }

    Result<BufferRef> joined() {
        if (blocks_.size() == 1 && stream_.avail_out == 0) {
            return blocks_.front();
        }
        TRITONPY_ASSIGN_OR_RETURN(BufferRef whole, pool_.allocate(size_));
        size_t at = 0;
        for (const BufferRef& block : blocks_) {
            size_t size = std::min(block->size(), size_ - at);
            std::memcpy(whole->data() + at, block->data(), size);
            at += size;
        }
        return whole;
    }

    z_stream stream_{};
    bool initialised_;
    const size_t max_size_;
    BlockPool& pool_;
    std::vector<BufferRef> blocks_;  // all full but the last
    size_t size_ = 0;
};

// The number of a weight that is written as one; 0 for what is no weight.
double weight_of(std::string_view parameter) {
    if (parameter.empty()) {
        return 1;
    }
    std::string_view key = trim_blanks(take_until(parameter, '='));
    std::string_view number = trim_blanks(parameter);
    double weight = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), weight);
    bool is_weight = equals_ignoring_case(key, "q") && error == std::errc() &&
                     end == number.data() + number.size() && weight >= 0 && weight <= 1;
    return is_weight ? weight : 0;
}

}  // namespace

std::string_view name_of(ContentCoding coding) {
    switch (coding) {
        case ContentCoding::kIdentity:
            break;
        case ContentCoding::kGzip:
            return "gzip";
        case ContentCoding::kDeflate:
            return "deflate";
    }
    return "identity";
}

std::optional<ContentCoding> content_coding_of(std::string_view name) {
    name = trim_blanks(name);
    if (name.empty()) {
        return ContentCoding::kIdentity;
    }
    for (ContentCoding coding :
         {ContentCoding::kGzip, ContentCoding::kDeflate, ContentCoding::kIdentity}) {
        if (equals_ignoring_case(name, name_of(coding))) {
            return coding;
        }
    }
    return std::nullopt;
}

ContentCoding choose_coding(std::string_view accept_encoding) {
    ContentCoding best = ContentCoding::kIdentity;
    double best_weight = 0;
    while (!accept_encoding.empty()) {
        std::string_view parameter = take_until(accept_encoding, ',');
        std::string_view name = take_until(parameter, ';');
        std::optional<ContentCoding> coding = content_coding_of(name);
        if (!coding || trim_blanks(name).empty()) {
            continue;
        }
        double weight = weight_of(trim_blanks(parameter));
        if (weight > best_weight) {
            best = *coding;
            best_weight = weight;
        }
    }
    return best;
}

Result<BufferRef> decompress(const BufferRef& data, ContentCoding coding, size_t max_size,
                             BlockPool& pool) {
    return Inflater(coding, max_size, pool).run({data->data(), data->size()});
}

std::string compress(const EncodedBody& body, ContentCoding coding, int level) {
    z_stream stream{};
    constexpr int kMemoryLevel = 8;  // zlib's default
    if (deflateInit2(&stream, level, Z_DEFLATED, window_bits_of(coding), kMemoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return {};
    }
    std::string compressed;
    std::array<char, kDeflateSpace> space;
    auto deflate_given = [&](int flush) {
        do {
            stream.next_out = reinterpret_cast<Bytef*>(space.data());
            stream.avail_out = static_cast<uInt>(space.size());
            deflate(&stream, flush);  // cannot fail: the stream is whole and there is room
            compressed.append(space.data(), space.size() - stream.avail_out);
        } while (stream.avail_out == 0);
    };
    for (std::span<const std::byte> piece : body.pieces()) {
        while (!piece.empty()) {
            feed(stream, piece);
            deflate_given(Z_NO_FLUSH);
        }
    }
    deflate_given(Z_FINISH);
    deflateEnd(&stream);
    return compressed;
}

}  // namespace tritonpy
