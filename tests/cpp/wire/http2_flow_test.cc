// Goal: no byte is sent that the client has no room for, none is received beyond the credit that
// the owner gave, and whatever the windows do, nothing stalls for ever.
// Method: clients with small, shrinking and slowly growing windows; a server that keeps its credit.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "wire/http2_fixture.h"

namespace tritonpy {
namespace {

constexpr uint32_t kDefaultWindow = 65535;

std::string pattern(size_t size) {
    std::string bytes(size, '\0');
    for (size_t index = 0; index < size; ++index) {
        bytes[index] = static_cast<char>(index * 31 + index / 251);
    }
    return bytes;
}

class ZeroWindowTest : public Http2Test {
  protected:
    ZeroWindowTest() : Http2Test(false, {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}}) {}

    void give_credit(int32_t stream, int32_t bytes) {
        ASSERT_EQ(nghttp2_submit_window_update(client.session, NGHTTP2_FLAG_NONE, stream, bytes),
                  0);
        pump();
    }
};

TEST_F(ZeroWindowTest, data_waits_and_comes_byte_by_byte) {
    int32_t id = client.call("");
    pump();
    answer(id, "0123456789");
    pump();
    EXPECT_EQ(client.streams[id].headers.size(), kAnswerHead.size());
    EXPECT_EQ(client.streams[id].data, "");
    EXPECT_EQ(session->unsent(id), 10u);
    EXPECT_FALSE(session->produce(out)) << "what may not be sent is not ready";
    for (size_t sent = 1; sent <= 10; ++sent) {
        give_credit(id, 1);
        EXPECT_EQ(client.streams[id].data, std::string_view("0123456789").substr(0, sent));
        EXPECT_EQ(session->unsent(id), 10 - sent);
    }
    EXPECT_EQ(client.streams[id].trailers.size(), kAnswerTrailers.size());
    EXPECT_EQ(client.streams[id].closed, 1);
}

TEST_F(ZeroWindowTest, trailers_need_no_window) {
    int32_t id = client.call("");
    pump();
    session->send_headers(id, kAnswerHead);
    pump();
    session->send_trailers(id, kAnswerTrailers);
    pump();
    EXPECT_EQ(client.streams[id].trailers.size(), kAnswerTrailers.size());
    EXPECT_EQ(client.streams[id].closed, 1);
    EXPECT_EQ(server.stream(id).closed, 1);
}

TEST_F(ZeroWindowTest, one_stuck_stream_does_not_hold_others) {
    int32_t stuck = client.call("");
    int32_t lively = client.call("");
    pump();
    answer(stuck, std::string(1000, 's'));
    answer(lively, std::string(1000, 'l'));
    pump();
    give_credit(lively, 1000);
    EXPECT_EQ(client.streams[lively].data.size(), 1000u);
    EXPECT_EQ(client.streams[lively].closed, 1);
    EXPECT_EQ(client.streams[stuck].data.size(), 0u);
    give_credit(stuck, 1000);
    EXPECT_EQ(client.streams[stuck].closed, 1);
}

TEST_F(ZeroWindowTest, window_that_settings_open_lets_waiting_data_go) {
    int32_t id = client.call("");
    pump();
    answer(id, "waiting");
    pump();
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 4};
    nghttp2_submit_settings(client.session, NGHTTP2_FLAG_NONE, &entry, 1);
    pump();
    EXPECT_EQ(client.streams[id].data, "wait");
}

TEST_F(ZeroWindowTest, drained_comes_when_the_client_makes_room) {
    int32_t id = client.call("");
    pump();
    session->send_headers(id, kAnswerHead);
    send(id, std::string(limits::kMaxUnwritten, 'x'));
    pump();
    EXPECT_EQ(server.stream(id).drained, 0);
    give_credit(id, 1);
    EXPECT_EQ(server.stream(id).drained, 1);
    EXPECT_EQ(session->unsent(id), limits::kMaxUnwritten - 1);
}

class KeptCreditTest : public Http2Test {
  protected:
    KeptCreditTest() : Http2Test(false) {}
};

TEST_F(KeptCreditTest, streams_share_the_window_of_their_connection) {
    int32_t first = client.call("");
    int32_t second = client.call("");
    pump();
    answer(first, std::string(50000, 'a'));
    answer(second, std::string(50000, 'b'));
    pump();
    EXPECT_EQ(client.streams[first].data.size() + client.streams[second].data.size(),
              kDefaultWindow);
    EXPECT_EQ(session->unsent(), 100000 - kDefaultWindow);
    nghttp2_submit_window_update(client.session, NGHTTP2_FLAG_NONE, 0, 100000);
    pump();
    EXPECT_EQ(client.streams[first].closed, 1);
    EXPECT_EQ(client.streams[second].closed, 1);
}

TEST_F(KeptCreditTest, window_that_shrinks_below_nothing_is_respected) {
    int32_t id = client.call("");
    pump();
    nghttp2_submit_window_update(client.session, NGHTTP2_FLAG_NONE, 0, 1 << 20);
    session->send_headers(id, kAnswerHead);
    send(id, std::string(40000, 'x'));
    pump();
    EXPECT_EQ(client.streams[id].data.size(), 40000u);
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10000};
    nghttp2_submit_settings(client.session, NGHTTP2_FLAG_NONE, &entry, 1);
    pump();
    send(id, std::string(1000, 'y'));
    pump();
    EXPECT_EQ(client.streams[id].data.size(), 40000u) << "the window is 30000 below 0";
    nghttp2_submit_window_update(client.session, NGHTTP2_FLAG_NONE, id, 30500);
    pump();
    EXPECT_EQ(client.streams[id].data.size(), 40500u);
}

TEST_F(KeptCreditTest, frames_are_as_large_as_a_plain_client_takes) {
    int32_t id = client.call("");
    pump();
    answer(id, std::string(60000, 'x'));
    pump();
    for (auto [stream, size] : client.data_frames) {
        EXPECT_LE(size, 16384u);
    }
    EXPECT_EQ(client.data_frames.size(), 4u);
}

class LargeFrameTest : public Http2Test {
  protected:
    LargeFrameTest()
        : Http2Test(true, {{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 1 << 20},
                           {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 64 << 20}}) {
        nghttp2_session_set_local_window_size(client.session, NGHTTP2_FLAG_NONE, 0, 64 << 20);
    }
};

TEST_F(LargeFrameTest, frames_grow_to_their_bound_where_the_client_takes_them) {
    int32_t id = client.call("");
    pump();
    std::string data = pattern(size_t{1} << 20);
    answer(id, data);
    pump();
    EXPECT_TRUE(client.streams[id].data == data);
    ASSERT_EQ(client.data_frames.size(), data.size() / limits::kMaxDataFrame);
    for (auto [stream, size] : client.data_frames) {
        EXPECT_EQ(size, limits::kMaxDataFrame);
    }
}

TEST_F(LargeFrameTest, megabytes_go_both_ways) {
    serve_echo();
    std::string data = pattern(size_t{40} << 20);
    int32_t id = client.call(data);
    pump();
    EXPECT_TRUE(server.stream(id).data == data);
    EXPECT_TRUE(client.streams[id].data == data);
    EXPECT_EQ(client.streams[id].closed, 1);
    EXPECT_GT(client.window_updates, 2);
}

using UploadTest = Http2Test;

TEST_F(UploadTest, client_sends_no_more_than_it_has_credit_for) {
    std::string data = pattern(size_t{40} << 20);
    int32_t id = client.call(data);
    pump();
    ServerStream& stream = server.stream(id);
    auto window = static_cast<size_t>(limits::kStreamWindow);
    EXPECT_EQ(stream.data.size(), window);

    session->consume(id, window, 0);
    pump();
    EXPECT_EQ(stream.data.size(), static_cast<size_t>(limits::kConnectionWindow))
        << "the connection's credit was kept";
    session->consume(id, 0, stream.data.size());
    pump();
    EXPECT_EQ(stream.data.size(), static_cast<size_t>(limits::kConnectionWindow));
    session->consume(id, window, 0);
    pump();
    EXPECT_TRUE(stream.data == data);
    EXPECT_TRUE(stream.ended);
}

TEST_F(UploadTest, credit_of_a_closed_stream_can_still_be_returned) {
    for (int round = 0; round < 5; ++round) {
        int32_t id = client.call(std::string(size_t{12} << 20, 'x'));
        pump();
        size_t size = server.stream(id).data.size();
        ASSERT_EQ(size, size_t{12} << 20) << round;
        answer(id, "");
        pump();
        EXPECT_EQ(server.stream(id).closed, 1);
        session->consume(id, size, size);
    }
}

TEST_F(UploadTest, data_of_streams_that_are_over_costs_no_credit) {
    pump();
    constexpr size_t kPart = size_t{8} << 20;
    for (int round = 0; round < 9; ++round) {
        server.refusing = round % 3 == 0;
        int32_t id = client.open();
        if (round % 3 == 1) {
            pump();
            session->reset(id, NGHTTP2_CANCEL);
        } else if (round % 3 == 2) {
            // Reset by the server's owner in the middle of a frame.
            pump();
            server.stream(id).when_data = [this, id](size_t size) {
                session->consume(id, 0, size);
                session->reset(id, NGHTTP2_CANCEL);
            };
        }
        client.send(id, std::string(kPart, 'x'));
        client.end(id);
        std::string bytes = client.take();
        ASSERT_GE(bytes.size(), kPart) << "the client has lost credit in round " << round;
        for (size_t at = 0; at < bytes.size(); at += 10000) {
            ASSERT_TRUE(receive(std::string_view(bytes).substr(at, 10000)).ok());
        }
        pump();
    }
    server.refusing = false;
    int32_t id = client.call("still here");
    pump();
    EXPECT_EQ(server.stream(id).data, "still here");
}

TEST_F(UploadTest, reset_in_the_middle_of_a_frame_ends_its_data) {
    int32_t id = client.open();
    pump();
    server.stream(id).when_data = [this, id](size_t) { session->reset(id, NGHTTP2_CANCEL); };
    client.send(id, std::string(10000, 'x'));
    std::string bytes = client.take();
    ASSERT_TRUE(receive(std::string_view(bytes).substr(0, 5000)).ok());
    ASSERT_TRUE(receive(std::string_view(bytes).substr(5000)).ok());
    EXPECT_LT(server.stream(id).data.size(), 5000u);
}

}  // namespace
}  // namespace tritonpy
