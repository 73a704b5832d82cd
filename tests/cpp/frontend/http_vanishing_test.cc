// Goal: a client that vanishes at any byte, either way, leaves nothing behind: no connection, no
// call, no byte held, no memory.
// Method: every cut of several requests and some of their answers; the fixture looks at what is
// left, and sanitizers at what leaked.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "frontend/http_fixture.h"

namespace tritonpy {
namespace {

struct HttpVanishingTest : HttpTest {
    // Sends what stands before each cut and leaves, either way of leaving in turn.
    void vanish_in(const std::string& request, size_t step = 1) {
        for (size_t cut = 0; cut <= request.size(); cut += step) {
            HttpTestClient client = connect();
            client.send(request.substr(0, cut));
            if (cut % 2 == 0) {
                let_io_run();
            }
            if (cut % 4 < 2) {
                client.close();
            } else {
                client.end_sending();
                client.read_to_end();
            }
        }
        wait_until_all_closed();
    }

    // Hears of all that the control plane was asked, and answers too late. Everybody who came has
    // left again.
    void expect_all_gone() {
        size_t come = 0;
        size_t gone = 0;
        while (has_event()) {
            ControlEvent event = next_event();
            come += event.kind == ControlEvent::Kind::kHttpRequest ? 1 : 0;
            gone += event.kind == ControlEvent::Kind::kGone ? 1 : 0;
            answer_whole(event.call_id, "late");
        }
        EXPECT_GT(come, 0u);
        EXPECT_EQ(come, gone);
    }
};

TEST_F(HttpVanishingTest, in_an_inference_request) { vanish_in(infer_request()); }

TEST_F(HttpVanishingTest, in_a_large_inference_request) {
    vanish_in(binary_infer_request(std::string(200'000, 'x')), 7919);
}

TEST_F(HttpVanishingTest, in_a_request_in_chunks) {
    vanish_in(
        "POST /v2/models/model/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;extension=1\r\nhello\r\n5\r\nworld\r\n0\r\nTrailer: x\r\n\r\n");
}

TEST_F(HttpVanishingTest, in_a_request_for_the_control_plane) {
    vanish_in(with_body("/v2/repository/index", "{\"ready\":true}"));
    expect_all_gone();
}

TEST_F(HttpVanishingTest, in_pipelined_requests) {
    vanish_in(infer_request() + get("/v2/health/live") + get("/v2"));
}

TEST_F(HttpVanishingTest, while_its_request_is_executed_or_waits) {
    holds = true;
    HttpTestClient first = connect();
    first.send(infer_request());
    executing.acquire();
    std::vector<HttpTestClient> others;
    for (int i = 0; i < 20; ++i) {
        others.push_back(connect());
        others.back().send(infer_request() + get("/v2/health/live"));
    }
    let_io_run();
    first.close();
    for (size_t i = 0; i < others.size(); i += 2) {
        others[i].close();
    }
    while (open.now() > others.size() / 2) {
        let_io_run();
    }
    EXPECT_EQ(open.now(), others.size() / 2);
    holds = false;
    may_execute.release();
    for (size_t i = 1; i < others.size(); i += 2) {
        EXPECT_EQ(others[i].read_answer().status, 200);
        EXPECT_EQ(others[i].read_answer().status, 200);
    }
}

TEST_F(HttpVanishingTest, in_its_answer) {
    const std::string request = binary_infer_request(std::string(size_t{1} << 20, 'x'));
    for (size_t taken : {1u, 17u, 100u, 5000u, 300'000u, 1'000'000u}) {
        HttpTestClient client = connect();
        client.send(request);
        EXPECT_EQ(client.read(taken).size(), taken);
        client.close();
        wait_until_all_closed();
        let_io_run();  // which frees the connection
        EXPECT_EQ(held.now(), 0u);
    }
}

TEST_F(HttpVanishingTest, in_an_answer_of_the_control_plane) {
    for (int half = 0; half < 2; ++half) {
        HttpTestClient client = connect();
        client.send(get("/v2"));
        uint64_t call = next_event().call_id;
        answer(call, ControlAnswer::Kind::kHead, "", 200);
        answer(call, ControlAnswer::Kind::kPiece, std::string(size_t{2} << 20, 'x'));
        EXPECT_EQ(client.read(10).size(), 10u);
        if (half == 0) {
            client.close();
            ControlEvent event = next_event();
            while (event.kind == ControlEvent::Kind::kTaken) {
                event = next_event();
            }
            EXPECT_EQ(event.kind, ControlEvent::Kind::kGone);
        } else {
            let_io_run();          // so that the piece belongs to what was written
            client.end_sending();  // which cuts the answer, but not what was written of it
            EXPECT_GT(client.read_to_end().size(), size_t{2} << 20);
        }
        wait_until_all_closed();
        answer(call, ControlAnswer::Kind::kEnd, "late");
    }
}

}  // namespace
}  // namespace tritonpy
