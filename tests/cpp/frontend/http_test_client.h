// A client's end of an HTTP connection, and the requests that tests send over it.
//
// Threads: compatible. Owns: the socket.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace tritonpy {

struct HttpAnswer {
    int status = 0;
    std::map<std::string, std::string> headers;
    std::string body;
};

// Threads: compatible.
class HttpTestClient {
  public:
    explicit HttpTestClient(int descriptor) : descriptor_(descriptor) {}
    HttpTestClient(HttpTestClient&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)),
          received_(std::move(other.received_)) {}
    ~HttpTestClient() { close(); }

    void close() {
        if (descriptor_ >= 0) {
            ::close(std::exchange(descriptor_, -1));
        }
    }
    void end_sending() { ::shutdown(descriptor_, SHUT_WR); }
    // What the server does not want any more is lost.
    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return;
            }
            bytes.remove_prefix(static_cast<size_t>(sent));
        }
    }
    // Sends what the socket takes without waiting; how much that was.
    size_t send_some(std::string_view bytes) {
        ssize_t sent =
            ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent < 0 ? 0 : static_cast<size_t>(sent);
    }

    // The next answer. Status 0 when the connection ended before it was whole.
    HttpAnswer read_answer(bool head_only = false) {
        HttpAnswer answer;
        size_t head_size = 0;
        while ((head_size = received_.find("\r\n\r\n")) == std::string::npos) {
            if (!receive()) {
                return {};
            }
        }
        parse_head(received_.substr(0, head_size), answer);
        received_.erase(0, head_size + 4);
        bool whole = true;
        if (!head_only && answer.status != 204 && answer.status != 304 && answer.status != 100) {
            whole = read_body(answer);
        }
        return whole ? answer : HttpAnswer();
    }
    // Everything until the server closes.
    std::string read_to_end() {
        while (receive()) {
        }
        return std::exchange(received_, {});
    }
    // Exactly so many bytes, or fewer at the end.
    std::string read(size_t size) {
        while (received_.size() < size && receive()) {
        }
        std::string taken = received_.substr(0, size);
        received_.erase(0, size);
        return taken;
    }

  private:
    bool receive() {
        std::string buffer(1 << 16, '\0');
        ssize_t count = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
        if (count <= 0) {
            return false;
        }
        received_.append(buffer, 0, static_cast<size_t>(count));
        return true;
    }

    static void parse_head(std::string_view head, HttpAnswer& answer) {
        answer.status = std::stoi(std::string(head.substr(9, 3)));
        for (size_t at = head.find("\r\n"); at != std::string_view::npos;) {
            size_t end = head.find("\r\n", at + 2);
            std::string_view line = head.substr(at + 2, end - at - 2);
            size_t colon = line.find(": ");
            answer.headers.emplace(line.substr(0, colon), line.substr(colon + 2));
            at = end;
        }
    }

    bool read_body(HttpAnswer& answer) {
        if (auto length = answer.headers.find("content-length"); length != answer.headers.end()) {
            answer.body = read(std::stoul(length->second));
            return answer.body.size() == std::stoul(length->second);
        }
        if (!answer.headers.contains("transfer-encoding")) {
            answer.body = read_to_end();
            return true;
        }
        while (true) {
            size_t line = 0;
            while ((line = received_.find("\r\n")) == std::string::npos) {
                if (!receive()) {
                    return false;
                }
            }
            size_t size = std::stoul(received_.substr(0, line), nullptr, 16);
            received_.erase(0, line + 2);
            answer.body += read(size);
            if (read(2) != "\r\n") {
                return false;
            }
            if (size == 0) {
                return true;
            }
        }
    }

    int descriptor_;
    std::string received_;
};

inline std::string with_body(std::string_view target, std::string_view body,
                             std::string_view headers = "") {
    std::string request = "POST ";
    request.append(target).append(" HTTP/1.1\r\nHost: a\r\n").append(headers);
    request.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
    return request.append(body);
}

inline std::string get(std::string_view target, std::string_view headers = "") {
    std::string request = "GET ";
    return request.append(target).append(" HTTP/1.1\r\nHost: a\r\n").append(headers).append("\r\n");
}

// POST .../infer with one row of values in JSON.
inline std::string infer_request(std::string_view values = "1.5,2.5", size_t count = 2,
                                 std::string_view headers = "") {
    std::string body = "{\"inputs\":[{\"name\":\"INPUT0\",\"datatype\":\"FP32\",\"shape\":[1,";
    body.append(std::to_string(count)).append("],\"data\":[").append(values).append("]}]}");
    return with_body("/v2/models/model/infer", body, headers);
}

// The same with binary tensors both ways.
inline std::string binary_infer_request(std::string_view data, std::string_view headers = "") {
    std::string json =
        "{\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":\"INPUT0\","
        "\"datatype\":\"FP32\",\"shape\":[1," +
        std::to_string(data.size() / 4) + "],\"parameters\":{\"binary_data_size\":" +
        std::to_string(data.size()) + "}}]}";
    std::string lines(headers);
    lines += "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n";
    return with_body("/v2/models/model/infer", json.append(data), lines);
}

}  // namespace tritonpy
