// Goal: whatever clients and servers do, each stream is closed once, whole calls are whole, and
// nothing stays behind.
// Method: seeded random lives of many streams, cut short in every way; the seed is printed.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "wire/http2_fixture.h"

namespace tritonpy {
namespace {

// A client and a server that do at random what the protocol allows.
class RandomLives {
  public:
    explicit RandomLives(uint32_t seed) : random_(seed), session_(server_) {
        server_.when_request = [this](ServerStream& stream) {
            stream.when_data = [this, &stream](size_t size) {
                session_.consume(stream.id, size, size);
            };
        };
    }

    void step() {
        if (chance(20)) {
            said_[client_.open()];
        }
        for (auto& [id, said] : said_) {
            bool open = !said.ended && client_.streams[id].closed == 0;
            if (open && chance(10)) {
                std::string more(random_() % 40000, static_cast<char>('a' + id % 26));
                said.text += more;
                client_.send(id, more);
            } else if (open && chance(10)) {
                said.ended = true;
                client_.end(id);
            } else if (client_.streams[id].closed == 0 && chance(1)) {
                client_.reset(id);
            }
        }
        for (auto& [id, stream] : server_.streams) {
            if (stream->ended && answered_.count(id) == 0 && chance(30)) {
                answered_.insert(id);
                OutQueue body;
                body.append(stream->data);
                session_.send_headers(id, kAnswerHead);
                session_.send_data(id, body);
                session_.send_trailers(id, kAnswerTrailers);
            } else if (chance(1)) {
                session_.reset(id, NGHTTP2_CANCEL);
            }
        }
        if (chance(50)) {
            std::string bytes = client_.take();
            ASSERT_TRUE(session_.receive(std::as_bytes(std::span(bytes)), 0).ok());
        }
        if (chance(50)) {
            session_.produce(out_);
            client_.give(drained(out_));
        }
    }

    // What must hold whenever. Returns how many calls were whole.
    size_t check() {
        size_t whole = 0;
        for (auto& [id, stream] : client_.streams) {
            if (stream.closed != 0 && stream.error == 0) {
                EXPECT_TRUE(stream.data == said_[id].text) << id;
                ++whole;
            }
        }
        size_t open = 0;
        for (auto& [id, stream] : server_.streams) {
            EXPECT_LE(stream->closed, 1);
            open += stream->closed == 0 ? 1 : 0;
        }
        EXPECT_EQ(open, session_.open_streams());
        return whole;
    }

    void reset_all() {
        for (auto& [id, stream] : server_.streams) {
            session_.reset(id, NGHTTP2_CANCEL);
        }
        EXPECT_EQ(session_.unsent(), 0u);
        while (session_.produce(out_)) {
            drained(out_);
        }
        EXPECT_EQ(session_.open_streams(), 0u);
        for (auto& [id, stream] : server_.streams) {
            EXPECT_EQ(stream->closed, 1);
        }
    }

  private:
    struct Said {
        std::string text;
        bool ended = false;
    };
    bool chance(unsigned percent) { return random_() % 100 < percent; }

    std::mt19937 random_;
    Http2Client client_;
    Http2Server server_;
    Http2Session session_;
    OutQueue out_;
    std::map<int32_t, Said> said_;
    std::set<int32_t> answered_;
};

TEST(Http2Random, random_lives_of_streams_end_well) {
    for (uint32_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        RandomLives lives(seed);
        for (int step = 0; step < 200; ++step) {
            lives.step();
        }
        EXPECT_GT(lives.check(), 0u);
        lives.reset_all();
    }
}

}  // namespace
}  // namespace tritonpy
