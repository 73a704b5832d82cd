// An encoded message as a list of pieces: bytes made by the encoder, and tensor bytes it borrows.
//
// A front end that owns its socket writes the pieces with one writev; one that needs a single
// string joins them once. Borrowed pieces live as long as the response that was encoded.
//
// Threads: compatible. Owns: the bytes it made.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tritonpy {

class EncodedBody {
  public:
    // Makes room for so many pieces.
    void reserve(size_t pieces) { pieces_.reserve(pieces); }
    // Appends bytes made by the encoder.
    void append_owned(std::string bytes) {
        pieces_.push_back({nullptr, owned_.size(), bytes.size()});
        size_ += bytes.size();
        if (owned_.empty()) {
            owned_ = std::move(bytes);
        } else {
            owned_ += bytes;
        }
    }
    // Appends bytes that the encoded response keeps alive.
    void append_borrowed(std::span<const std::byte> bytes) {
        pieces_.push_back({bytes.data(), 0, bytes.size()});
        size_ += bytes.size();
    }

    // The pieces in order, as a range of spans. Valid until the next append.
    class Pieces;
    Pieces pieces() const;
    size_t size() const { return size_; }

    // V2 JSON with binary tensors: length of the JSON part, for Inference-Header-Content-Length.
    // Unset: the whole body is JSON.
    std::optional<size_t> json_length;

  private:
    struct Piece {
        const std::byte* borrowed;  // null: owned
        size_t at;                  // in owned_
        size_t size;
    };
    std::span<const std::byte> bytes_of(const Piece& piece) const {
        return piece.borrowed != nullptr
                   ? std::span(piece.borrowed, piece.size)
                   : std::as_bytes(std::span(owned_)).subspan(piece.at, piece.size);
    }

    std::string owned_;  // all pieces that the encoder made, one behind the other
    std::vector<Piece> pieces_;
    size_t size_ = 0;
};

// Threads: compatible. Borrows: the body.
class EncodedBody::Pieces {
  public:
    class Iterator {
      public:
        std::span<const std::byte> operator*() const { return Pieces(*body_)[index_]; }
        Iterator& operator++() {
            ++index_;
            return *this;
        }
        bool operator==(const Iterator& other) const { return index_ == other.index_; }

      private:
        friend class Pieces;
        Iterator(const EncodedBody& body, size_t index) : body_(&body), index_(index) {}
        const EncodedBody* body_;
        size_t index_;
    };

    size_t size() const { return body_->pieces_.size(); }
    std::span<const std::byte> operator[](size_t index) const {
        return body_->bytes_of(body_->pieces_[index]);
    }
    Iterator begin() const { return {*body_, 0}; }
    Iterator end() const { return {*body_, size()}; }

  private:
    friend class EncodedBody;
    explicit Pieces(const EncodedBody& body) : body_(&body) {}
    const EncodedBody* body_;
};

inline EncodedBody::Pieces EncodedBody::pieces() const { return Pieces(*this); }

}  // namespace tritonpy
