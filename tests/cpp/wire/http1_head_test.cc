// Goal: heads are read as HTTP/1.1 says, the same however they arrive, and nothing that two servers
// could read differently is taken.
// Method: tables of heads, good and bad, each given whole and grown byte by byte in blocks of exact
// size; heads at and beyond each limit.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "wire/http1_head.h"

namespace tritonpy {
namespace {

using Outcome = Http1Head::Outcome;
using HeaderList = std::vector<std::pair<std::string, std::string>>;

// A copy in a block of exactly its size, so that AddressSanitizer sees one byte too many.
class ExactCopy {
  public:
    explicit ExactCopy(std::string_view text)
        : size_(text.size()), bytes_(std::make_unique<char[]>(size_)) {
        text.copy(bytes_.get(), size_);
    }
    std::string_view view() const { return {bytes_.get(), size_}; }

  private:
    size_t size_;
    std::unique_ptr<char[]> bytes_;
};

// A head and the bytes that it borrows.
struct ReadHead {
    explicit ReadHead(std::string_view text) : bytes(text), outcome(head.parse(bytes.view())) {}
    ExactCopy bytes;
    Http1Head head;
    Outcome outcome;
};

std::string request(std::string_view header_lines, std::string_view line = "GET / HTTP/1.1") {
    return std::string(line) + "\r\n" + std::string(header_lines) + "\r\n";
}

HeaderList list_of(const Http1Head& head) {
    HeaderList list;
    for (const Http1Header& header : head.headers()) {
        list.emplace_back(header.name, header.value);
    }
    return list;
}

// Gives the text byte by byte, in other memory each time: partial until the last.
void expect_same_in_pieces(const std::string& text, const Http1Head& whole) {
    Http1Head head;
    for (size_t size = 0; size < whole.size(); ++size) {
        ExactCopy begun(std::string_view(text).substr(0, size));
        ASSERT_EQ(head.parse(begun.view()), Outcome::kPartial) << size << " of " << text;
    }
    ExactCopy bytes(text);
    ASSERT_EQ(head.parse(bytes.view()), Outcome::kComplete) << text;
    EXPECT_EQ(head.size(), whole.size());
    EXPECT_EQ(head.method(), whole.method());
    EXPECT_EQ(head.target(), whole.target());
    EXPECT_EQ(head.minor_version(), whole.minor_version());
    EXPECT_EQ(list_of(head), list_of(whole));
    EXPECT_EQ(head.chunked(), whole.chunked());
    EXPECT_EQ(head.content_length(), whole.content_length());
    EXPECT_EQ(head.keep_alive(), whole.keep_alive());
}

TEST(Http1Head, infer_request_is_read) {
    std::string text =
        "POST /v2/models/m/infer?a=b HTTP/1.1\r\n"
        "Host: localhost:8000\r\n"
        "content-length: 205\r\n"
        "INFERENCE-Header-Content-Length:\t 99 \r\n"
        "Content-Encoding: gzip\r\n"
        "Accept-Encoding: deflate;q=0.5, gzip\r\n"
        "Expect: 100-Continue\r\n"
        "X-Empty:\r\n"
        "X-Text: a\tb \xC3\xA9\r\n"
        "\r\n";
    ReadHead read(text + "body");
    ASSERT_EQ(read.outcome, Outcome::kComplete);
    EXPECT_EQ(read.head.size(), text.size());
    EXPECT_EQ(read.head.method(), "POST");
    EXPECT_EQ(read.head.target(), "/v2/models/m/infer?a=b");
    EXPECT_EQ(read.head.minor_version(), 1);
    EXPECT_EQ(read.head.content_length(), 205u);
    EXPECT_EQ(read.head.json_length(), "99");
    EXPECT_EQ(read.head.content_encoding(), "gzip");
    EXPECT_EQ(read.head.accept_encoding(), "deflate;q=0.5, gzip");
    EXPECT_TRUE(read.head.keep_alive());
    EXPECT_TRUE(read.head.expects_continue());
    EXPECT_FALSE(read.head.chunked());
    EXPECT_EQ(list_of(read.head),
              (HeaderList{{"Host", "localhost:8000"},
                          {"content-length", "205"},
                          {"INFERENCE-Header-Content-Length", "99"},
                          {"Content-Encoding", "gzip"},
                          {"Accept-Encoding", "deflate;q=0.5, gzip"},
                          {"Expect", "100-Continue"},
                          {"X-Empty", ""},
                          {"X-Text", "a\tb \xC3\xA9"}}));
    expect_same_in_pieces(text, read.head);
}

TEST(Http1Head, head_without_headers_is_whole) {
    ReadHead read("GET / HTTP/1.1\r\n\r\n");
    ASSERT_EQ(read.outcome, Outcome::kComplete);
    EXPECT_EQ(list_of(read.head), HeaderList());
    EXPECT_EQ(read.head.content_length(), std::nullopt);
    EXPECT_EQ(read.head.json_length(), std::nullopt);
    EXPECT_FALSE(read.head.expects_continue());
}

TEST(Http1Head, lines_may_end_in_line_feed_alone) {
    for (std::string text : {"GET /v2 HTTP/1.1\nA: b\n\n", "GET /v2 HTTP/1.1\r\nA: b\n\r\n",
                             "GET /v2 HTTP/1.1\nA: b\r\n\n"}) {
        ReadHead read(text);
        ASSERT_EQ(read.outcome, Outcome::kComplete) << text;
        EXPECT_EQ(read.head.size(), text.size());
        EXPECT_EQ(list_of(read.head), (HeaderList{{"A", "b"}}));
        expect_same_in_pieces(text, read.head);
    }
}

TEST(Http1Head, empty_lines_before_the_request_line_are_skipped) {
    for (std::string empty : {"\r\n", "\n", "\r\n\r\n\n\r\n"}) {
        std::string text = empty + "GET /v2 HTTP/1.1\r\nA: b\r\n\r\n";
        ReadHead read(text);
        ASSERT_EQ(read.outcome, Outcome::kComplete);
        EXPECT_EQ(read.head.size(), text.size());
        EXPECT_EQ(read.head.method(), "GET");
        expect_same_in_pieces(text, read.head);
    }
}

TEST(Http1Head, pipelined_heads_are_read_one_by_one) {
    std::string first = "GET /1 HTTP/1.1\r\n\r\n";
    std::string second = "POST /2 HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    std::string both = first + second;
    Http1Head head;
    ASSERT_EQ(head.parse(both), Outcome::kComplete);
    EXPECT_EQ(head.size(), first.size());
    head.reset();
    ASSERT_EQ(head.parse(std::string_view(both).substr(first.size())), Outcome::kComplete);
    EXPECT_EQ(head.size(), second.size());
    EXPECT_EQ(head.target(), "/2");
    EXPECT_EQ(head.minor_version(), 0);
    EXPECT_FALSE(head.expects_continue()) << "HTTP/1.0 has none";
    head.reset();
    ASSERT_EQ(head.parse(first), Outcome::kComplete);
    EXPECT_EQ(head.content_length(), std::nullopt);
    EXPECT_EQ(head.minor_version(), 1);
}

TEST(Http1Head, targets_of_all_forms_are_kept) {
    for (std::string target : {"/", "*", "http://host:8000/v2?x#y", "host:443", "/%7Emodel/~!$&'()",
                               "/exactly/seven+one"}) {
        ReadHead read("GET " + target + " HTTP/1.1\r\n\r\n");
        ASSERT_EQ(read.outcome, Outcome::kComplete) << target;
        EXPECT_EQ(read.head.target(), target);
    }
}

TEST(Http1Head, connection_is_kept_as_version_and_options_say) {
    struct Case {
        std::string_view version, lines;
        bool keep_alive;
    };
    for (const Case& row : {Case{"1.1", "", true},
                            {"1.0", "", false},
                            {"1.1", "Connection: close\r\n", false},
                            {"1.1", "connection: Close\r\n", false},
                            {"1.0", "Connection: keep-alive\r\n", true},
                            {"1.0", "Connection: foo , Keep-Alive,bar\r\n", true},
                            {"1.1", "Connection: upgrade, close\r\n", false},
                            {"1.0", "Connection: keep-alive\r\nConnection: close\r\n", false},
                            {"1.1", "Connection: close\r\nConnection: keep-alive\r\n", false},
                            {"1.1", "Connection: closed\r\n", true},
                            {"1.1", "Connection: ,,\r\n", true}}) {
        ReadHead read(request(row.lines, "GET / HTTP/" + std::string(row.version)));
        ASSERT_EQ(read.outcome, Outcome::kComplete) << row.lines;
        EXPECT_EQ(read.head.keep_alive(), row.keep_alive) << row.version << row.lines;
    }
}

TEST(Http1Head, last_of_repeated_v2_headers_counts) {
    ReadHead read(request("Content-Encoding: gzip\r\nContent-Encoding: deflate\r\n"
                          "Inference-Header-Content-Length: 1\r\n"
                          "Inference-Header-Content-Length:\r\n"));
    ASSERT_EQ(read.outcome, Outcome::kComplete);
    EXPECT_EQ(read.head.content_encoding(), "deflate");
    EXPECT_EQ(read.head.json_length(), "") << "there, though empty";
}

TEST(Http1Head, framing_that_is_plain_is_taken) {
    struct Case {
        std::string_view lines;
        std::optional<uint64_t> length;
        bool chunked;
    };
    for (const Case& row :
         {Case{"Content-Length: 0\r\n", 0, false},
          {"Content-Length: 18446744073709551615\r\n", UINT64_MAX, false},
          {"Content-Length: 007\r\n", 7, false},
          {"Transfer-Encoding: chunked\r\n", std::nullopt, true},
          {"transfer-encoding:CHUNKED\r\n", std::nullopt, true},
          {"Content-Lengthy: x\r\nTransfer-Encodin: gzip\r\nContent_Length: 5\r\n", std::nullopt,
           false}}) {
        ReadHead read(request(row.lines, "POST / HTTP/1.1"));
        ASSERT_EQ(read.outcome, Outcome::kComplete) << row.lines;
        EXPECT_EQ(read.head.content_length(), row.length);
        EXPECT_EQ(read.head.chunked(), row.chunked);
    }
}

TEST(Http1Head, framing_that_two_servers_could_read_differently_is_refused) {
    for (std::string_view lines :
         {"Content-Length: 5\r\nContent-Length: 6\r\n",
          "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5, 5\r\n",
          "Content-Length: +5\r\n", "Content-Length: -5\r\n", "Content-Length: 5 5\r\n",
          "Content-Length: 0x5\r\n", "Content-Length: 5.0\r\n", "Content-Length:\r\n",
          "Content-Length: 18446744073709551616\r\n", "Content-Length: five\r\n",
          "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
          "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
          "Transfer-Encoding: identity\r\n", "Transfer-Encoding:\r\n",
          "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: \"chunked\"\r\n",
          "Transfer-Encoding: chunked;q=1\r\n", "Transfer-Encoding: \x0B" "chunked\r\n",
          "Content-Length : 5\r\n", " Content-Length: 5\r\n", "\tContent-Length: 5\r\n",
          "A: b\r\n Content-Length: 5\r\n", "A: b\r\n\tc\r\n", "A: b\rContent-Length: 5\r\n",
          "A: b\r\r\n", "A: \x7F\r\n", "A: \x01\r\n", "A\r\n", "A b: c\r\n", ": b\r\n",
          "A\xC3\xA9: b\r\n", "A(: b\r\n", "Content-Length\t: 5\r\n"}) {
        std::string text = request(lines, "POST / HTTP/1.1");
        ReadHead read(text);
        EXPECT_EQ(read.outcome, Outcome::kBad) << lines;
        EXPECT_EQ(read.head.error_status(), 400);
        EXPECT_EQ(read.head.error_text(), "Invalid HTTP request received.");
    }
    EXPECT_EQ(ReadHead(request("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0")).outcome,
              Outcome::kBad);
    EXPECT_EQ(ReadHead(request(std::string_view("A: \0\r\n", 6))).outcome, Outcome::kBad);
}

TEST(Http1Head, value_is_refused_for_one_bad_byte_anywhere_in_it) {
    for (char bad : {'\0', '\x01', '\x0B', '\x1F', '\x7F', '\r'}) {
        for (size_t at = 0; at < 20; ++at) {
            std::string value(20, 'v');
            value[at] = bad;
            EXPECT_EQ(ReadHead(request("A: " + value + "\r\n")).outcome, Outcome::kBad)
                << int{bad} << " at " << at;
            value[at] = '\t';
            EXPECT_EQ(ReadHead(request("A: " + value + "\r\n")).outcome, Outcome::kComplete);
            value[at] = '\xFF';
            EXPECT_EQ(ReadHead(request("A: " + value + "\r\n")).outcome, Outcome::kComplete);
        }
    }
}

TEST(Http1Head, target_is_refused_for_one_bad_byte_anywhere_in_it) {
    for (char bad : {'\0', '\x01', ' ', '\t', '\x7F', '\x80', '\xFF', '\r'}) {
        for (size_t at = 0; at < 20; ++at) {
            std::string target(20, '/');
            target[at] = bad;
            EXPECT_EQ(ReadHead("GET " + target + " HTTP/1.1\r\n\r\n").outcome, Outcome::kBad)
                << int{bad} << " at " << at;
        }
    }
}

TEST(Http1Head, malformed_request_lines_are_refused) {
    for (std::string_view line :
         {"nonsense", "GET", "GET /", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ",
          "GET / http/1.1", "GET / HTTP/1.2", "GET / HTTP/9.9", "GET / HTTP/0.9", "GET / HTTP/1",
          "GET / HTTP/1.", "GET / HTTP/1.11", "GET / HTTP/2", "GET / HTTP/2.00", "GET\t/ HTTP/1.1",
          "G(T / HTTP/1.1", "GET / HTTP/1.1\r", "GET /a b HTTP/1.1", "GET  HTTP/1.1",
          " GET / HTTP/1.1", "GET / HTTPS/1.1"}) {
        ReadHead read(request("", line));
        EXPECT_EQ(read.outcome, Outcome::kBad) << line;
        EXPECT_EQ(read.head.error_status(), 400) << line;
    }
}

TEST(Http1Head, other_versions_are_told_apart) {
    for (std::string_view text : {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/3.0\r\n\r\n"}) {
        ReadHead read(text);
        EXPECT_EQ(read.outcome, Outcome::kBad);
        EXPECT_EQ(read.head.error_status(), 505);
        EXPECT_EQ(read.head.error_text(), "HTTP version is not supported.");
    }
}

TEST(Http1Head, other_protocols_are_refused_at_their_first_byte) {
    for (std::string_view text : {"\x16", "\r\n\x16\x03\x01", "\r\r", "\rG", " ", ":"}) {
        EXPECT_EQ(ReadHead(text).outcome, Outcome::kBad) << text;
    }
}

TEST(Http1Head, head_of_exactly_the_limit_passes_and_one_byte_more_is_refused) {
    std::string begin = "GET / HTTP/1.1\r\nA: ";
    std::string largest = begin + std::string(limits::kMaxRequestHead - begin.size() - 4, 'a');
    EXPECT_EQ(ReadHead(largest + "\r\n\r\n" + "body").outcome, Outcome::kComplete);
    ReadHead larger(largest + "a\r\n\r\n");
    EXPECT_EQ(larger.outcome, Outcome::kBad);
    EXPECT_EQ(larger.head.error_status(), 400);
    EXPECT_EQ(larger.head.error_text(), "Request head is too large.");
}

TEST(Http1Head, flood_without_an_end_is_refused_at_the_limit) {
    for (std::string_view begin : {"GET / HTTP/1.1\r\nA: ", "G", "\r\n", "GET / HTTP/1.1\r\n"}) {
        std::string text(begin);
        while (text.size() < limits::kMaxRequestHead) {
            text += begin == "\r\n" ? "\r\n" : begin.ends_with('\n') ? "A: b\r\n" : "aaaa";
        }
        text.resize(limits::kMaxRequestHead);
        Http1Head head;
        for (size_t size = 1; size < text.size(); size += 997) {
            ASSERT_EQ(head.parse(std::string_view(text).substr(0, size)), Outcome::kPartial);
        }
        ASSERT_EQ(head.parse(text), Outcome::kBad);
        EXPECT_EQ(head.error_text(), "Request head is too large.");
    }
}

TEST(Http1Head, headers_are_taken_up_to_their_number) {
    std::string lines;
    for (size_t count = 0; count < limits::kMaxRequestHeaders; ++count) {
        lines += "A:b\r\n";
    }
    ReadHead read(request(lines));
    ASSERT_EQ(read.outcome, Outcome::kComplete);
    EXPECT_EQ(list_of(read.head).size(), limits::kMaxRequestHeaders);
    ReadHead more(request(lines + "A:b\r\n"));
    EXPECT_EQ(more.outcome, Outcome::kBad);
    EXPECT_EQ(more.head.error_status(), 431);
    EXPECT_EQ(more.head.error_text(), "Request has too many headers.");
}

}  // namespace
}  // namespace tritonpy
