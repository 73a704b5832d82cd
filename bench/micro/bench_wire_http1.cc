// What HTTP/1.1 costs per request beside the codecs: reading the head of an infer request, finding
// its route, and queueing, gathering and dropping the response. And chunked bodies, by chunk size.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/chunked_body.h"
#include "wire/http1_head.h"
#include "wire/out_queue.h"
#include "wire/v2_route.h"

namespace {

using namespace tritonpy;

// As Triton's own Python client sends it: 254 bytes.
constexpr std::string_view kHead =
    "POST /v2/models/identity_fp32/versions/1/infer HTTP/1.1\r\n"
    "Host: localhost:8000\r\n"
    "Content-Type: application/octet-stream\r\n"
    "Inference-Header-Content-Length: 205\r\n"
    "Content-Length: 269\r\n"
    "User-Agent: geventhttpclient/2.0.11\r\n"
    "Accept: */*\r\n"
    "Connection: keep-alive\r\n"
    "\r\n";

void read_head(benchmark::State& state) {
    Http1Head head;
    for ([[maybe_unused]] auto iteration : state) {
        head.reset();
        TRITONPY_CHECK(head.parse(kHead) == Http1Head::Outcome::kComplete);
        benchmark::DoNotOptimize(head.content_length());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kHead.size()));
}

// The control plane's requests: their headers are listed as well.
void list_headers(benchmark::State& state) {
    Http1Head head;
    TRITONPY_CHECK(head.parse(kHead) == Http1Head::Outcome::kComplete);
    for ([[maybe_unused]] auto iteration : state) {
        for (const Http1Header& header : head.headers()) {
            benchmark::DoNotOptimize(header.value.data());
        }
    }
}

void route(benchmark::State& state) {
    Http1Head head;
    TRITONPY_CHECK(head.parse(kHead) == Http1Head::Outcome::kComplete);
    for ([[maybe_unused]] auto iteration : state) {
        benchmark::DoNotOptimize(route_http(head.method(), head.target()).model.data());
    }
}

// A response of a head and three pieces.
void queue_response(benchmark::State& state) {
    const std::string response_head(160, 'h');
    const std::string json(200, 'j');
    const auto tensor_size = static_cast<size_t>(state.range(0));
    auto tensor = std::make_shared<std::string>(tensor_size, 't');
    OutQueue out;
    for ([[maybe_unused]] auto iteration : state) {
        out.append(response_head);
        out.append(json);
        out.append(std::as_bytes(std::span(*tensor)), tensor);
        std::array<iovec, 16> pieces;
        benchmark::DoNotOptimize(out.gather(pieces));
        out.consume(out.size());
    }
}

void read_chunks(benchmark::State& state) {
    std::array<char, 32> size_line{};
    std::snprintf(size_line.data(), size_line.size(), "%llx\r\n",
                  static_cast<unsigned long long>(state.range(0)));
    const std::string chunk =
        size_line.data() + std::string(static_cast<size_t>(state.range(0)), 'c') + "\r\n";
    std::string body;
    for (int index = 0; index < 16; ++index) {
        body += chunk;
    }
    body += "0\r\n\r\n";
    for ([[maybe_unused]] auto iteration : state) {
        ChunkedBody chunks;
        std::span<const std::byte> rest = std::as_bytes(std::span(body));
        ChunkedBody::Step step = chunks.next(rest);
        while (step.outcome == ChunkedBody::Outcome::kData) {
            rest = rest.subspan(step.used);
            step = chunks.next(rest);
        }
        TRITONPY_CHECK(step.outcome == ChunkedBody::Outcome::kComplete);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}

BENCHMARK(read_head);
BENCHMARK(list_headers);
BENCHMARK(route);
BENCHMARK(queue_response)->Arg(64)->Arg(1 << 20);
BENCHMARK(read_chunks)->Arg(16)->Arg(1 << 14);

}  // namespace
