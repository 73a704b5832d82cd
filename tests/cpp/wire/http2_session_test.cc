// Goal: calls come out of a session and answers go in as HTTP/2 says, each stream is closed exactly
// once however it ends, and nothing is copied that need not be.
// Method: nghttp2's own client on the other end, both in memory, every byte carried by the test.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/allocation_count.h"
#include "wire/http2_fixture.h"

namespace tritonpy {
namespace {

const HeaderList kAnswerHeadList = {{":status", "200"}, {"content-type", "application/grpc"}};
const HeaderList kAnswerTrailerList = {{"grpc-status", "0"}, {"grpc-message", ""}};

using Http2SessionTest = Http2Test;

TEST_F(Http2SessionTest, limits_are_announced_at_the_start) {
    pump();
    EXPECT_EQ(client.settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS],
              limits::kMaxConcurrentStreams);
    EXPECT_EQ(client.settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE],
              static_cast<uint32_t>(limits::kStreamWindow));
    EXPECT_EQ(client.settings[NGHTTP2_SETTINGS_MAX_FRAME_SIZE], limits::kMaxDataFrame);
    EXPECT_EQ(client.settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], limits::kMaxRequestHead);
    EXPECT_EQ(nghttp2_session_get_remote_window_size(client.session), limits::kConnectionWindow);
}

TEST_F(Http2SessionTest, unary_call_is_heard_and_answered) {
    int32_t id = client.call("question");
    pump();
    ServerStream& heard = server.stream(id);
    EXPECT_EQ(heard.headers, kRequestHead);
    EXPECT_EQ(heard.data, "question");
    EXPECT_TRUE(heard.ended);
    EXPECT_EQ(session->open_streams(), 1u);

    answer(id, "answer");
    EXPECT_EQ(session->unsent(), 6u);
    pump();
    const ClientStream& seen = client.streams[id];
    EXPECT_EQ(seen.headers, kAnswerHeadList);
    EXPECT_EQ(seen.data, "answer");
    EXPECT_EQ(seen.trailers, kAnswerTrailerList);
    EXPECT_TRUE(seen.ended);
    EXPECT_EQ(seen.closed, 1);
    EXPECT_EQ(seen.error, 0u);
    EXPECT_EQ(client.data_frames.size(), 1u) << "no empty frame goes before the trailers";
    EXPECT_EQ(heard.closed, 1);
    EXPECT_EQ(heard.error, 0u);
    EXPECT_EQ(session->open_streams(), 0u);
    EXPECT_EQ(session->unsent(), 0u);
    EXPECT_TRUE(client.resets.empty());
}

TEST_F(Http2SessionTest, call_can_be_answered_while_it_is_heard) {
    server.when_request = [this](ServerStream& stream) { answer(stream.id, "at once"); };
    int32_t id = client.call("");
    pump();
    EXPECT_EQ(client.streams[id].data, "at once");
    EXPECT_EQ(client.streams[id].trailers, kAnswerTrailerList);
    EXPECT_EQ(server.stream(id).closed, 1);
}

TEST_F(Http2SessionTest, trailers_alone_are_a_whole_answer) {
    int32_t id = client.call("question");
    pump();
    constexpr std::array<Http2Session::Header, 2> kOnly = {
        {{":status", "200"}, {"grpc-status", "12"}}};
    session->send_trailers(id, kOnly);
    pump();
    EXPECT_EQ(client.streams[id].headers, (HeaderList{{":status", "200"}, {"grpc-status", "12"}}));
    EXPECT_TRUE(client.streams[id].trailers.empty());
    EXPECT_TRUE(client.data_frames.empty());
    EXPECT_EQ(server.stream(id).closed, 1);
    EXPECT_EQ(server.stream(id).error, 0u);
}

TEST_F(Http2SessionTest, answer_can_come_in_pieces_at_any_time) {
    int32_t id = client.open();
    pump();
    session->send_headers(id, kAnswerHead);
    pump();
    EXPECT_EQ(client.streams[id].headers, kAnswerHeadList);
    for (const char* piece : {"one ", "two ", "three"}) {
        send(id, piece);
        pump();
    }
    send(id, "");
    pump();
    EXPECT_EQ(client.streams[id].data, "one two three");
    client.send(id, "more");
    pump();
    EXPECT_EQ(server.stream(id).data, "more");
    client.end(id);
    pump();
    EXPECT_FALSE(client.streams[id].ended);
    session->send_trailers(id, kAnswerTrailers);
    pump();
    EXPECT_EQ(client.streams[id].trailers, kAnswerTrailerList);
    EXPECT_EQ(client.streams[id].closed, 1);
    EXPECT_EQ(server.stream(id).closed, 1);
}

TEST_F(Http2SessionTest, trailers_wait_behind_the_data) {
    int32_t id = client.call("");
    pump();
    std::string large(3 << 20, 'x');
    answer(id, large);
    pump();
    EXPECT_TRUE(client.streams[id].data == large);
    EXPECT_EQ(client.streams[id].trailers, kAnswerTrailerList);
    EXPECT_EQ(client.streams[id].closed, 1);
}

TEST_F(Http2SessionTest, fields_need_not_outlive_the_call) {
    const std::string value = "a value that is longer than a short string";
    const HeaderList head = {{":status", "200"}, {"x-head", value}};
    const HeaderList trailers = {{"grpc-status", "2"}, {"grpc-message", value}};
    auto with = [](const HeaderList& list, auto use) {
        HeaderList copy = list;  // gone when this returns
        std::vector<Http2Session::Header> fields;
        for (const auto& [name, text] : copy) {
            fields.push_back({name, text});
        }
        use(fields);
    };
    int32_t id = client.call("");
    int32_t alone = client.call("");
    pump();
    with(head, [&](auto& fields) { session->send_headers(id, fields); });
    send(id, "data");
    with(trailers, [&](auto& fields) { session->send_trailers(id, fields); });
    with(head, [&](auto& fields) { session->send_trailers(alone, fields); });
    pump();
    EXPECT_EQ(client.streams[id].headers, head);
    EXPECT_EQ(client.streams[id].trailers, trailers);
    EXPECT_EQ(client.streams[alone].headers, head);
}

TEST_F(Http2SessionTest, early_end_tells_the_client_to_stop) {
    int32_t id = client.open();
    client.send(id, "some");
    pump();
    answer(id, "enough");
    pump();
    EXPECT_EQ(client.streams[id].data, "enough");
    EXPECT_EQ(client.streams[id].trailers, kAnswerTrailerList);
    ASSERT_EQ(client.resets.size(), 1u);
    EXPECT_EQ(client.resets[0], std::pair(id, uint32_t{NGHTTP2_NO_ERROR}));
    EXPECT_EQ(server.stream(id).closed, 1);
    EXPECT_EQ(server.stream(id).error, 0u);
    EXPECT_EQ(session->open_streams(), 0u);
}

TEST_F(Http2SessionTest, thousand_streams_at_once_are_kept_apart) {
    serve_echo();
    std::vector<int32_t> ids;
    for (int index = 0; index < 1000; ++index) {
        ids.push_back(client.open());
        client.send(ids.back(), "begin " + std::to_string(index));
    }
    pump();
    EXPECT_EQ(session->open_streams(), 1000u);
    std::shuffle(ids.begin(), ids.end(), std::mt19937(7));
    for (int32_t id : ids) {
        client.end(id);
    }
    pump();
    EXPECT_EQ(session->open_streams(), 0u);
    for (int32_t id : ids) {
        EXPECT_EQ(client.streams[id].data, "begin " + std::to_string(id / 2));
        EXPECT_EQ(server.stream(id).closed, 1);
    }
}

TEST_F(Http2SessionTest, bytes_may_come_one_by_one) {
    serve_echo();
    int32_t id = client.call("slowly");
    for (char byte : client.take()) {
        ASSERT_TRUE(receive({&byte, 1}).ok());
    }
    client.give(produced());
    EXPECT_EQ(client.streams[id].data, "slowly");
    EXPECT_EQ(client.streams[id].closed, 1);
}

TEST_F(Http2SessionTest, large_pieces_are_borrowed_until_they_are_written) {
    int32_t id = client.call("");
    pump();
    auto owner = std::make_shared<std::vector<std::byte>>(60000, std::byte{7});
    OutQueue data;
    data.append(std::span<const std::byte>(*owner), owner);
    session->send_headers(id, kAnswerHead);
    session->send_data(id, data);
    session->send_trailers(id, kAnswerTrailers);
    ASSERT_FALSE(session->produce(out));
    EXPECT_GT(owner.use_count(), 1);
    std::array<iovec, limits::kMaxIovecs> pieces;
    size_t borrowed = 0;
    for (const iovec& piece : std::span(pieces).first(out.gather(pieces))) {
        auto* at = static_cast<const std::byte*>(piece.iov_base);
        bool inside = at >= owner->data() && at < owner->data() + owner->size();
        borrowed += inside ? piece.iov_len : 0;
    }
    EXPECT_EQ(borrowed, owner->size());
    client.give(drained(out));
    EXPECT_EQ(owner.use_count(), 1);
    EXPECT_TRUE(client.streams[id].data == std::string(60000, '\7'));
}

TEST_F(Http2SessionTest, produce_stops_at_its_bound_and_says_so) {
    int32_t id = client.call("");
    pump();
    std::string large(size_t{5} << 20, 'x');
    answer(id, large);
    pump();
    client.streams[id].data.clear();

    nghttp2_session_set_local_window_size(client.session, NGHTTP2_FLAG_NONE, 0, 64 << 20);
    int32_t second = client.call("");
    ASSERT_TRUE(receive(client.take()).ok());
    nghttp2_submit_window_update(client.session, NGHTTP2_FLAG_NONE, second, 64 << 20);
    ASSERT_TRUE(receive(client.take()).ok());
    answer(second, large);
    int turns = 0;
    bool more = true;
    while (more) {
        more = session->produce(out);
        EXPECT_LE(out.size(), limits::kMaxUnwritten + limits::kMaxDataFrame);
        if (more) {
            size_t before = out.size();
            EXPECT_GE(before, limits::kMaxUnwritten);
            EXPECT_TRUE(session->produce(out)) << "a full queue gets no more";
            EXPECT_EQ(out.size(), before);
        }
        client.give(drained(out));
        ++turns;
    }
    EXPECT_GE(turns, 5);
    EXPECT_TRUE(client.streams[second].data == large);
    EXPECT_EQ(client.streams[second].closed, 1);
}

TEST_F(Http2SessionTest, drained_is_told_once_the_stream_is_below_its_bound) {
    int32_t id = client.call("");
    pump();
    session->send_headers(id, kAnswerHead);
    send(id, std::string(limits::kMaxUnwritten - 1, 'x'));
    pump();
    EXPECT_EQ(server.stream(id).drained, 0);
    int rounds = 0;
    server.stream(id).when_drained = [&] {
        if (++rounds < 3) {
            send(id, std::string(2 * limits::kMaxUnwritten, 'y'));
        } else {
            session->send_trailers(id, kAnswerTrailers);
        }
    };
    send(id, std::string(2 * limits::kMaxUnwritten, 'y'));
    EXPECT_EQ(server.stream(id).drained, 0);
    pump();
    EXPECT_EQ(server.stream(id).drained, 3);
    EXPECT_EQ(client.streams[id].data.size(), 7 * limits::kMaxUnwritten - 1);
    EXPECT_EQ(client.streams[id].closed, 1);
    EXPECT_EQ(session->unsent(), 0u);
}

TEST_F(Http2SessionTest, refused_stream_is_reset_and_others_go_on) {
    serve_echo();
    server.refusing = true;
    int32_t refused = client.call("no");
    pump();
    ASSERT_EQ(client.resets.size(), 1u);
    EXPECT_EQ(client.resets[0], std::pair(refused, uint32_t{NGHTTP2_REFUSED_STREAM}));
    EXPECT_EQ(session->open_streams(), 0u);
    server.refusing = false;
    int32_t accepted = client.call("yes");
    pump();
    EXPECT_EQ(client.streams[accepted].data, "yes");
}

TEST_F(Http2SessionTest, client_reset_closes_the_stream_at_every_stage) {
    for (int stage = 0; stage < 5; ++stage) {
        int32_t id = client.open();
        client.send(id, "some");
        if (stage >= 1) {
            client.end(id);
        }
        pump();
        if (stage >= 2) {
            session->send_headers(id, kAnswerHead);
        }
        if (stage >= 3) {
            send(id, std::string(1 << 20, 'x'));
        }
        if (stage >= 4) {
            session->produce(out);
            drained(out);  // lost on the way
        }
        client.reset(id, NGHTTP2_CANCEL);
        ASSERT_TRUE(receive(client.take()).ok());
        EXPECT_EQ(server.stream(id).closed, 1) << stage;
        EXPECT_EQ(server.stream(id).error, NGHTTP2_CANCEL) << stage;
        EXPECT_EQ(session->unsent(), 0u) << stage;
        EXPECT_EQ(session->unsent(id), 0u) << stage;
        // Late answers are dropped.
        OutQueue late;
        late.append("late");
        session->send_data(id, late);
        EXPECT_TRUE(late.empty());
        session->send_trailers(id, kAnswerTrailers);
        session->reset(id, NGHTTP2_CANCEL);
        pump();
        EXPECT_EQ(server.stream(id).closed, 1) << stage;
    }
    EXPECT_EQ(session->open_streams(), 0u);
}

TEST_F(Http2SessionTest, server_reset_is_the_last_that_both_hear_of_a_stream) {
    int32_t id = client.open();
    client.send(id, "before");
    pump();
    session->send_headers(id, kAnswerHead);
    send(id, "never sent");
    session->reset(id, NGHTTP2_CANCEL);
    session->reset(id, NGHTTP2_INTERNAL_ERROR);
    EXPECT_EQ(session->unsent(), 0u);
    EXPECT_EQ(server.stream(id).closed, 0) << "not inside the call";
    client.send(id, "after");
    client.end(id);
    pump();
    EXPECT_EQ(server.stream(id).data, "before");
    EXPECT_FALSE(server.stream(id).ended);
    EXPECT_EQ(server.stream(id).closed, 1);
    EXPECT_EQ(server.stream(id).error, NGHTTP2_CANCEL);
    ASSERT_EQ(client.resets.size(), 1u);
    EXPECT_EQ(client.resets[0], std::pair(id, uint32_t{NGHTTP2_CANCEL}));
    EXPECT_EQ(client.streams[id].data, "");
}

TEST_F(Http2SessionTest, stream_can_be_reset_from_each_of_its_callbacks) {
    int32_t id = 0;
    auto reset = [&] { session->reset(id, NGHTTP2_CANCEL); };
    server.when_request = [&](ServerStream& stream) {
        id = stream.id;
        if (id == 1) {
            reset();
        } else if (id == 3) {
            stream.when_data = [&](size_t) { reset(); };
        } else if (id == 5) {
            stream.when_ended = reset;
        } else {
            session->send_headers(id, kAnswerHead);
            send(id, std::string(limits::kMaxUnwritten, 'x'));
            stream.when_drained = reset;
        }
        stream.when_closed = reset;
    };
    for (int index = 0; index < 4; ++index) {
        client.call(std::string(100000, 'x'));
        pump();
        EXPECT_EQ(server.stream(id).closed, 1) << id;
        EXPECT_EQ(server.stream(id).error, NGHTTP2_CANCEL) << id;
    }
    EXPECT_EQ(session->open_streams(), 0u);
    EXPECT_EQ(session->unsent(), 0u);
    EXPECT_EQ(server.stream(1).data, "");
    EXPECT_FALSE(server.stream(3).ended);
}

TEST_F(Http2SessionTest, headers_too_large_to_send_end_their_stream_only) {
    int32_t id = client.call("");
    pump();
    std::string huge(200000, 'x');
    std::array<Http2Session::Header, 2> head = {{{":status", "200"}, {"x-huge", huge}}};
    session->send_headers(id, head);
    pump();
    EXPECT_EQ(server.stream(id).closed, 1);
    EXPECT_EQ(server.stream(id).error, NGHTTP2_INTERNAL_ERROR);
    EXPECT_EQ(client.streams[id].error, NGHTTP2_INTERNAL_ERROR);
    int32_t next = client.call("");
    pump();
    answer(next, "fine");
    pump();
    EXPECT_EQ(client.streams[next].data, "fine");
}

TEST_F(Http2SessionTest, shutdown_lets_streams_on_their_way_in_and_then_no_more) {
    int32_t running = client.call("");
    pump();
    session->announce_shutdown();
    int32_t late = client.call("");  // sent before the client has read the notice
    ASSERT_TRUE(receive(client.take()).ok());
    pump();
    ASSERT_EQ(client.goaways.size(), 1u);
    EXPECT_EQ(client.goaways[0], std::pair(INT32_MAX, uint32_t{NGHTTP2_NO_ERROR}));
    EXPECT_EQ(server.streams.count(late), 1u);

    session->go_away(NGHTTP2_NO_ERROR, "");
    pump();
    ASSERT_EQ(client.goaways.size(), 2u);
    EXPECT_EQ(client.goaways[1], std::pair(late, uint32_t{NGHTTP2_NO_ERROR}));
    EXPECT_FALSE(session->finished());
    answer(running, "one");
    answer(late, "two");
    EXPECT_FALSE(session->finished());
    pump();
    EXPECT_EQ(client.streams[running].data, "one");
    EXPECT_EQ(client.streams[late].data, "two");
    EXPECT_TRUE(session->finished());
}

TEST_F(Http2SessionTest, stream_opened_behind_a_go_away_is_not_heard) {
    pump();
    session->go_away(NGHTTP2_NO_ERROR, "");
    std::string goaway = produced();
    client.call("too late");
    ASSERT_TRUE(receive(client.take()).ok());
    EXPECT_TRUE(server.streams.empty());
    client.give(goaway);
    EXPECT_TRUE(session->finished());
}

TEST_F(Http2SessionTest, stream_that_a_go_away_crosses_is_closed_as_refused) {
    pump();
    session->go_away(NGHTTP2_NO_ERROR, "");
    int32_t id = client.call("crossing");
    ASSERT_TRUE(receive(client.take()).ok());
    pump();
    ASSERT_EQ(server.streams.count(id), 1u);
    EXPECT_EQ(server.stream(id).closed, 1);
    EXPECT_EQ(server.stream(id).error, NGHTTP2_REFUSED_STREAM);
    EXPECT_EQ(client.streams[id].error, NGHTTP2_REFUSED_STREAM);
}

TEST_F(Http2SessionTest, go_away_carries_its_text) {
    pump();
    session->go_away(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    pump();
    ASSERT_EQ(client.goaways.size(), 1u);
    EXPECT_EQ(client.goaways[0].second, NGHTTP2_ENHANCE_YOUR_CALM);
    EXPECT_EQ(client.goaway_text, "too_many_pings");
}

TEST_F(Http2SessionTest, session_of_a_client_that_left_is_finished_with_its_last_stream) {
    int32_t id = client.call("");
    nghttp2_submit_goaway(client.session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    pump();
    EXPECT_FALSE(session->finished());
    answer(id, "last");
    pump();
    EXPECT_EQ(client.streams[id].data, "last");
    EXPECT_TRUE(session->finished());
}

TEST_F(Http2SessionTest, pings_are_answered_and_told) {
    pump();
    nghttp2_submit_ping(client.session, NGHTTP2_FLAG_NONE, nullptr);
    pump();
    EXPECT_EQ(server.pings, 1);
    EXPECT_EQ(client.ping_acks, 1);
    session->ping();
    pump();
    EXPECT_EQ(client.pings, 1);
    EXPECT_EQ(server.ping_acks, 1);
    EXPECT_EQ(server.traffic, 0);
}

TEST_F(Http2SessionTest, headers_and_data_are_traffic_both_ways) {
    int32_t id = client.open();
    pump();
    EXPECT_EQ(server.traffic, 1);
    client.send(id, "x");
    pump();
    EXPECT_EQ(server.traffic, 2);
    session->send_headers(id, kAnswerHead);
    pump();
    EXPECT_EQ(server.traffic, 3);
    send(id, "x");
    pump();
    EXPECT_EQ(server.traffic, 4);
}

TEST_F(Http2SessionTest, open_streams_hear_of_the_end_of_the_session) {
    std::vector<int32_t> ids;
    for (int index = 0; index < 3; ++index) {
        ids.push_back(client.call("x"));
    }
    pump();
    session->send_headers(ids[0], kAnswerHead);
    send(ids[0], "unsent");
    session->reset(ids[1], NGHTTP2_CANCEL);
    for (int32_t id : ids) {
        server.stream(id).when_closed = [closing = session.get(), id] {
            closing->consume(id, 1, 1);
        };
    }
    session.reset();
    for (int32_t id : ids) {
        EXPECT_EQ(server.stream(id).closed, 1);
        EXPECT_EQ(server.stream(id).error, NGHTTP2_CANCEL);
    }
}

TEST_F(Http2SessionTest, streams_take_turns_on_one_connection) {
    int32_t first = client.call("");
    int32_t second = client.call("");
    pump();
    answer(first, std::string(400000, 'a'));
    answer(second, std::string(400000, 'b'));
    pump();
    size_t changes = 0;
    for (size_t index = 1; index < client.data_frames.size(); ++index) {
        changes += client.data_frames[index].first != client.data_frames[index - 1].first;
    }
    EXPECT_GT(changes, client.data_frames.size() / 2);
    EXPECT_EQ(client.streams[first].data.size(), 400000u);
    EXPECT_EQ(client.streams[second].data.size(), 400000u);
}

TEST_F(Http2SessionTest, steady_calls_allocate_nothing_of_ours) {
    server.when_request = [](ServerStream&) {};
    std::string data(100, 'x');
    uint64_t allocated = allocation_count.load();
    client.open();  // which notes the stream in a map
    ASSERT_GT(allocation_count.load(), allocated) << "nobody counts";
    for (int round = 0; round < 20; ++round) {
        int32_t id = client.call(data);
        pump();
        OutQueue body;
        body.append(data);
        uint64_t before = allocation_count.load();
        session->send_headers(id, kAnswerHead);
        session->send_data(id, body);
        session->send_trailers(id, kAnswerTrailers);
        session->produce(out);
        allocated = allocation_count.load() - before;
        client.give(drained(out));
    }
    EXPECT_EQ(allocated, 0u);
}

}  // namespace
}  // namespace tritonpy
