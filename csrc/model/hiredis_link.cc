#include "model/hiredis_link.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <array>
#include <initializer_list>
#include <string>
#include <utility>

namespace tritonpy {

namespace {

struct FreeContext {
    void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;
using Reply = std::unique_ptr<redisReply, FreeReply>;

timeval time_of(int64_t ms) { return {ms / 1000, (ms % 1000) * 1000}; }

// Refers to the reply, which malloc has put at a multiple of 16.
BufferRef value_of(Reply reply) {
    auto* data = reinterpret_cast<std::byte*>(reply->str);
    const size_t size = reply->len;
    return wrap_external(data, size, reply.release(), [](void* owned) {
        const Reply freed(static_cast<redisReply*>(owned));
    });
}

class HiredisLink final : public RedisLink {
  public:
    explicit HiredisLink(Context context) : context_(std::move(context)) {}

    void get(std::string_view key) override { append({"GET", key}); }
    void set(std::string_view key, std::string_view value) override {
        append({"SET", key, value});
    }

    Result<RedisReply> receive() override {
        void* raw = nullptr;
        if (redisGetReply(context_.get(), &raw) != REDIS_OK) {
            return unavailable(context_->errstr);
        }
        Reply reply(static_cast<redisReply*>(raw));
        RedisReply read;
        if (reply->type == REDIS_REPLY_ERROR) {
            read.refusal = std::string(reply->str, reply->len);
        } else if (reply->type == REDIS_REPLY_STRING) {
            read.value = value_of(std::move(reply));
        }
        return read;
    }

    // One command and its reply; what the server refuses is an error.
    Status run(std::initializer_list<std::string_view> words) {
        append(words);
        TRITONPY_ASSIGN_OR_RETURN(RedisReply reply, receive());
        return reply.refusal.empty() ? Status() : unavailable(std::move(reply.refusal));
    }

  private:
    static constexpr size_t kMaxWords = 3;

    // Fails for want of memory alone, and then the next receive says so.
    void append(std::initializer_list<std::string_view> words) {
        std::array<const char*, kMaxWords> texts{};
        std::array<size_t, kMaxWords> sizes{};
        int count = 0;
        for (const std::string_view word : words) {
            texts[static_cast<size_t>(count)] = word.data();
            sizes[static_cast<size_t>(count++)] = word.size();
        }
        redisAppendCommandArgv(context_.get(), count, texts.data(), sizes.data());
    }

    const Context context_;
};

// As one user of one database; PING tells whether commands are accepted.
Status enter(HiredisLink& link, const RedisOptions& options) {
    if (!options.password.empty()) {
        // Servers before version 6 have no users and know the short form alone.
        TRITONPY_RETURN_IF_ERROR(options.user.empty()
                                     ? link.run({"AUTH", options.password})
                                     : link.run({"AUTH", options.user, options.password}));
    }
    if (options.database != 0) {
        TRITONPY_RETURN_IF_ERROR(link.run({"SELECT", std::to_string(options.database)}));
    }
    return link.run({"PING"});
}

Result<std::unique_ptr<RedisLink>> connect(const RedisOptions& options) {
    const auto failure = [&options](std::string_view reason) {
        return internal_error("Failed to initialize RedisCache: failed to connect to Redis (" +
                              options.host + ":" + std::to_string(options.port) +
                              "): " + std::string(reason));
    };
    Context context(redisConnectWithTimeout(options.host.c_str(), options.port,
                                            time_of(options.connect_timeout_ms)));
    if (context == nullptr) {
        return failure("Cannot allocate memory");
    }
    if (context->err != 0) {
        return failure(context->errstr);
    }
    fcntl(context->fd, F_SETFD, FD_CLOEXEC);  // workers have no business with it
    // The server's first words may take as long as connecting to it.
    redisSetTimeout(context.get(), time_of(options.connect_timeout_ms));
    redisContext& entered = *context;
    auto link = std::make_unique<HiredisLink>(std::move(context));
    if (const Status status = enter(*link, options); !status.ok()) {
        return failure(status.message());
    }
    redisSetTimeout(&entered, time_of(options.socket_timeout_ms));
    return std::unique_ptr<RedisLink>(std::move(link));
}

}  // namespace

Result<ConnectRedis> redis_connector(const RedisOptions& options) {
    return ConnectRedis([options] { return connect(options); });
}

}  // namespace tritonpy
