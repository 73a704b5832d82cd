// One connection to a redis server, as the remote cache uses it: commands out, replies in.
//
// Commands wait in the link until the first reply is asked for, so that a burst costs one round
// trip. hiredis_link.h has the real one; tests have their own.
//
// Threads: compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "memory/buffer.h"

namespace tritonpy {

struct RedisOptions {
    std::string host;
    uint16_t port = 0;
    std::string user;      // "": the server's default user
    std::string password;  // "": none is sent
    uint32_t database = 0;
    int64_t connect_timeout_ms = 0;
    int64_t socket_timeout_ms = 0;  // what one read or write may take
};

// What the server says to one command.
struct RedisReply {
    BufferRef value;      // of a key; null: there is none, or it is no string
    std::string refusal;  // not empty: the server did not do it, and why
};

class RedisLink {
  public:
    virtual ~RedisLink() = default;
    virtual void get(std::string_view key) = 0;
    // REQUIRES: `value` stays where it is until its reply was received.
    virtual void set(std::string_view key, std::string_view value) = 0;
    // The reply to the oldest command without one. Blocks as long as options say. On error the link
    // is of no more use. REQUIRES: there is such a command.
    virtual Result<RedisReply> receive() = 0;
};

// Makes a link that the server has let in. Blocks. internal, saying what went wrong.
using ConnectRedis = std::function<Result<std::unique_ptr<RedisLink>>()>;

}  // namespace tritonpy
