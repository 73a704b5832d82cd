// The head of an HTTP/1.1 request: request line and headers, as views into the bytes received.
//
// The end of the head is searched for as bytes come, each byte once; then the whole head is read in
// one go. Nothing is allocated, and headers are not kept but read again by who asks for them: an
// inference needs only what the accessors say, and ten thousand idle connections need no room for
// the headers of one. Strict where leniency is how requests are smuggled: no obsolete line folding,
// no space before a colon, no bare CR or control character (a line may end in LF alone), no
// Transfer-Encoding beside Content-Length or in HTTP/1.0, no second one of either, no
// Transfer-Encoding but chunked, and a Content-Length of digits only.
//
// Threads: compatible. Owns: nothing; a head borrows the bytes it was read from.
// Limits: limits::kMaxRequestHead bytes, limits::kMaxRequestHeaders headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace tritonpy {

// What is said of a message that is no HTTP/1.1, and of a head or trailers beyond their limit.
inline constexpr std::string_view kInvalidHttp = "Invalid HTTP request received.";
inline constexpr std::string_view kHeadTooLarge = "Request head is too large.";

// The bytes that a token (a method, a header's name) is made of.
bool is_http_token(char character);

struct Http1Header {
    std::string_view name;   // as the client spelled it
    std::string_view value;  // without the blanks around it
};

// The headers of a head that was found to be well formed, in order; for `for`.
class Http1Headers {
  public:
    class Iterator {
      public:
        explicit Iterator(std::string_view lines) : rest_(lines) { ++*this; }
        const Http1Header& operator*() const { return header_; }
        const Http1Header* operator->() const { return &header_; }
        Iterator& operator++();
        bool operator==(std::default_sentinel_t) const { return header_.name.empty(); }

      private:
        std::string_view rest_;  // the lines behind this header's
        Http1Header header_;     // nameless at the end
    };
    Http1Headers() = default;
    explicit Http1Headers(std::string_view lines) : lines_(lines) {}
    Iterator begin() const { return Iterator(lines_); }
    std::default_sentinel_t end() const { return {}; }

  private:
    std::string_view lines_;
};

class Http1Head {
  public:
    enum class Outcome : uint8_t { kComplete, kPartial, kBad };

    // Looks at everything that has come since the head began: the bytes of the last call and more
    // (they may have moved). Empty lines before the request line are skipped. After kBad,
    // error_status and error_text say what to answer before closing. After kComplete the views are
    // valid as long as the bytes are. After either, reset comes first.
    Outcome parse(std::string_view bytes);
    // Forgets everything, for the next request.
    void reset() { *this = Http1Head(); }

    size_t size() const { return size_; }  // of the head, the empty line that ends it included
    std::string_view method() const { return method_; }
    // As sent: usually "/path?query", from a client of proxies also "http://host/path?query".
    std::string_view target() const { return target_; }
    int minor_version() const { return minor_version_; }  // HTTP/1.x: 0 or 1
    Http1Headers headers() const { return Http1Headers(header_lines_); }

    // What the headers say about the message.
    bool chunked() const { return chunked_; }
    std::optional<uint64_t> content_length() const { return content_length_; }
    bool keep_alive() const { return keep_alive_; }
    bool expects_continue() const { return expects_continue_; }
    // Headers of V2 inference, the last one where one is repeated; empty and absent are the same,
    // but for the first.
    std::optional<std::string_view> json_length() const { return json_length_; }
    std::string_view content_encoding() const { return content_encoding_; }
    std::string_view accept_encoding() const { return accept_encoding_; }

    // 400; 431 for too many headers; 505 for a version of HTTP that is not 1.
    int error_status() const { return error_status_; }
    std::string_view error_text() const { return error_text_; }

  private:
    void skip_empty_lines(std::string_view bytes);
    size_t find_end(std::string_view bytes);
    bool may_begin(std::string_view bytes) const;
    Outcome read(std::string_view head);
    Outcome read_request_line(std::string_view& rest);
    Outcome read_header_lines(std::string_view rest);
    bool note(const Http1Header& header);
    bool note_content_length(std::string_view value);
    bool note_transfer_encoding(std::string_view value);
    void note_connection(std::string_view value);
    Outcome bad(int status, std::string_view text);

    size_t begin_ = 0;     // of the request line, behind empty lines
    size_t searched_ = 0;  // bytes in which no end of the head was found
    size_t size_ = 0;
    std::string_view method_;
    std::string_view target_;
    std::string_view header_lines_;
    std::optional<uint64_t> content_length_;
    std::optional<std::string_view> json_length_;
    std::string_view content_encoding_;
    std::string_view accept_encoding_;
    std::string_view error_text_;
    int error_status_ = 0;
    int minor_version_ = 1;
    bool chunked_ = false;
    bool keep_alive_ = true;
    bool keep_alive_asked_ = false;  // by an option of Connection
    bool closes_ = false;            // likewise
    bool expects_continue_ = false;
};

}  // namespace tritonpy
