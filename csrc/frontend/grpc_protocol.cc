#include "frontend/grpc_protocol.h"

#include <bit>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "frontend/client_headers.h"
#include "frontend/grpc_call.h"
#include "frontend/grpc_control_call.h"
#include "frontend/grpc_farewell.h"
#include "frontend/grpc_head.h"
#include "frontend/grpc_health_call.h"
#include "frontend/grpc_keepalive.h"
#include "frontend/grpc_stream_infer.h"
#include "frontend/grpc_unary_infer.h"
#include "wire/http2_frame_position.h"
#include "wire/v2_route.h"

namespace tritonpy {

namespace {

constexpr uint32_t kHttp2NoError = 0;
constexpr uint32_t kHttp2EnhanceYourCalm = 11;

// A number that differs between connections, to spread their ages.
uint64_t spread_of(const Connection& connection, int64_t now_ns) {
    uint64_t mixed = std::bit_cast<uintptr_t>(&connection) ^ static_cast<uint64_t>(now_ns);
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    return mixed ^ (mixed >> 31);
}

// Of infer responses, as far as the client takes it.
ContentCoding answer_coding(int compression_level, const Http2Headers& headers) {
    if (compression_level == 0) {
        return ContentCoding::kIdentity;
    }
    ContentCoding wanted = compression_level == 1 ? ContentCoding::kGzip : ContentCoding::kDeflate;
    return accepts_coding(headers, wanted) ? wanted : ContentCoding::kIdentity;
}

class GrpcProtocol final : public Protocol, public Http2Events, public Timer::Handler {
  public:
    GrpcProtocol(IoContext& context, Connection& connection);

    std::span<std::byte> read_space() override { return {}; }  // HTTP/2 mixes all streams' bytes
    void on_bytes(std::span<const std::byte> bytes) override;
    void on_end_of_input() override { link_.connection.close_now(); }
    void produce() override;
    void on_timeout() override;
    void on_shutdown() override { act(farewell_.begin(now_ns())); }
    void on_cut_off() override;
    void on_closed() override;

    Http2Stream* on_request(int32_t stream_id, const Http2Headers& headers) override;
    void on_ping() override;
    void on_ping_acknowledged() override;
    void on_traffic() override;

    void on_timer(Timer& timer) override;

  private:
    int64_t now_ns() const { return link_.connection.loop().now_ns(); }
    bool has_calls() const { return session_->open_streams() != 0; }
    void start(GrpcCall& call, const GrpcHead& head, const Http2Headers& headers);
    ClientHeaders client_headers(const Http2Headers& headers) const;
    void ping();
    void act(GrpcFarewell::Action action);
    void end(uint32_t error_code, std::string_view debug_text);
    void arm_timers();

    std::unique_ptr<Http2Session> session_;  // null when the connection has closed
    GrpcLink link_;
    KeepalivePings pings_;
    PingStrikes strikes_;
    GrpcFarewell farewell_;
    Timer ping_timer_;
    Timer farewell_timer_;
    Http2FramePosition position_;
    uint64_t pings_sent_ = 0;
    uint64_t pings_answered_ = 0;
    uint64_t farewell_ping_ = 0;  // the number of the one that came with the announcement
    bool ending_ = false;         // what is to be written is the last
};

GrpcProtocol::GrpcProtocol(IoContext& context, Connection& connection)
    : session_(std::make_unique<Http2Session>(*this)),
      link_{context,
            *context.options.grpc,
            connection,
            *session_,
            std::make_shared<GrpcBudget>(context.held, *session_, connection),
            {},
            0,
            {}},
      pings_(link_.options.keepalive, now_ns()),
      strikes_(link_.options.keepalive),
      farewell_(link_.options.keepalive, now_ns(), spread_of(connection, now_ns())),
      ping_timer_(*this),
      farewell_timer_(*this) {
    arm_timers();
}

// --- the connection -----------------------------------------------------------------------------

void GrpcProtocol::on_bytes(std::span<const std::byte> bytes) {
    pings_.on_bytes(now_ns());
    position_.advance(bytes);
    if (!session_->receive(bytes, now_ns()).ok()) {
        ending_ = true;  // behind the GOAWAY that says why
    }
    link_.connection.request_flush();
}

void GrpcProtocol::produce() {
    Connection& connection = link_.connection;
    if (!connection.out().empty()) {
        connection.request_flush();  // what the socket did not take: to count it when it has
    }
    // Whether more is ready does not matter: the connection asks again until nothing comes.
    static_cast<void>(session_->produce(connection.out()));
    link_.budget->settle_unsent(session_->unsent() + connection.out().size());
    connection.set_busy(has_calls());
    // A client that waits for our credit is not slow.
    connection.expect_more(position_.inside() ||
                           (link_.partial_messages != 0 && !link_.budget->owes_credit()));
    if (ending_ || session_->finished() || (farewell_.refusing() && !has_calls())) {
        connection.close_after_flush();
    }
}

void GrpcProtocol::on_timeout() { end(kHttp2NoError, ""); }

void GrpcProtocol::on_closed() {
    ping_timer_.cancel();
    farewell_timer_.cancel();
    link_.budget->detach();
    session_.reset();  // which ends the calls
}

void GrpcProtocol::on_cut_off() {
    for (GrpcCall* call : link_.calls) {
        call->finish(GrpcStatus::kUnavailable, "Server exiting");
    }
    end(kHttp2NoError, "");
}

void GrpcProtocol::end(uint32_t error_code, std::string_view debug_text) {
    if (std::exchange(ending_, true)) {
        return;
    }
    session_->go_away(error_code, debug_text);
    link_.connection.request_flush();
}

// --- calls --------------------------------------------------------------------------------------

Http2Stream* GrpcProtocol::on_request(int32_t stream_id, const Http2Headers& headers) {
    // Requests of calls that are over may still be in the core: without this bound a client could
    // fill it with calls that it cancels.
    if (session_->open_streams() + link_.budget->abandoned() > limits::kMaxCallsPerConnection) {
        return nullptr;
    }
    const GrpcHead head = read_grpc_head(headers);
    auto call = std::make_unique<GrpcCall>(link_, stream_id);
    if (head.error.status != GrpcStatus::kOk) {
        call->refuse(head.http_status, head.error.status, head.error.text);
    } else {
        start(*call, head, headers);
    }
    return call.release();  // its on_closed frees it
}

void GrpcProtocol::start(GrpcCall& call, const GrpcHead& head, const Http2Headers& headers) {
    if (head.timeout_ns) {
        call.set_deadline(now_ns() + *head.timeout_ns);
    }
    ContentCoding coding = answer_coding(link_.options.compression_level, headers);
    V2Operation operation = route_grpc(head.path).operation;
    if (operation == V2Operation::kModelReady &&
        link_.context.health.models_have_checks.load(std::memory_order_relaxed)) {
        operation = V2Operation::kControl;
    }
    switch (operation) {
        case V2Operation::kInfer:
            call.set_codings(head.coding, coding);
            call.start(make_grpc_unary_infer(call, client_headers(headers)),
                       GrpcCall::Requests::kOne);
            return;
        case V2Operation::kStreamInfer:
            call.set_codings(head.coding, coding);
            call.start(make_grpc_stream_infer(call, client_headers(headers),
                                              head.errors_end_stream),
                       GrpcCall::Requests::kMany);
            return;
        case V2Operation::kServerLive:
        case V2Operation::kServerReady:
        case V2Operation::kModelReady:
            call.set_codings(head.coding, ContentCoding::kIdentity);
            call.start(make_grpc_health_call(call, operation), GrpcCall::Requests::kOne);
            return;
        case V2Operation::kControl:
            break;
    }
    call.set_codings(head.coding, ContentCoding::kIdentity);
    auto method = make_grpc_control_call(call, headers);
    if (method.ok()) {
        call.start(std::move(method).value(), GrpcCall::Requests::kMany);
    } else {
        call.fail(method.status());
    }
}

ClientHeaders GrpcProtocol::client_headers(const Http2Headers& headers) const {
    ClientHeaderReader reader(ClientHeaderReader::Protocol::kGrpc,
                              link_.options.forwarded_headers.get(),
                              link_.context.infer_calls.server());
    if (reader.wants_any()) {
        for (size_t index = 0; index < headers.count(); ++index) {
            const auto [name, value] = headers.at(index);
            TRITONPY_CHECK(reader.read(name, value).ok());  // over gRPC nothing is refused
        }
    }
    return reader.taken();
}

// --- pings, and the end -------------------------------------------------------------------------

void GrpcProtocol::on_ping() {
    if (!strikes_.accepts(now_ns(), has_calls())) {
        end(kHttp2EnhanceYourCalm, "too_many_pings");
    }
}

void GrpcProtocol::on_ping_acknowledged() {
    arm_timers();  // the next ping may be due before the time in which this answer was
    if (++pings_answered_ == farewell_ping_) {
        act(farewell_.on_answered());
    }
}

void GrpcProtocol::on_traffic() {
    pings_.on_traffic();
    strikes_.on_traffic();
}

void GrpcProtocol::ping() {
    ++pings_sent_;
    session_->ping();
    link_.connection.request_flush();
}

void GrpcProtocol::on_timer(Timer& timer) {
    if (&timer == &farewell_timer_) {
        act(farewell_.look(now_ns()));
        return;
    }
    switch (pings_.look(now_ns(), has_calls())) {
        case KeepalivePings::Action::kNothing:
            break;
        case KeepalivePings::Action::kPing:
            ping();
            break;
        case KeepalivePings::Action::kClose:
            link_.connection.close_now();
            return;
    }
    arm_timers();
}

void GrpcProtocol::act(GrpcFarewell::Action action) {
    switch (action) {
        case GrpcFarewell::Action::kNothing:
            break;
        case GrpcFarewell::Action::kAnnounce:
            session_->announce_shutdown();
            ping();
            farewell_ping_ = pings_sent_;
            break;
        case GrpcFarewell::Action::kRefuse:
            session_->go_away(kHttp2NoError, "");
            link_.connection.request_flush();
            break;
        case GrpcFarewell::Action::kClose:
            link_.connection.close_now();
            return;
    }
    arm_timers();
}

// Bytes that come do not move the timers: they find out what has happened when they fire.
void GrpcProtocol::arm_timers() {
    TimerWheel& timers = link_.connection.loop().timers();
    timers.arm(ping_timer_, pings_.next_look_ns());
    if (auto next_ns = farewell_.next_look_ns()) {
        timers.arm(farewell_timer_, *next_ns);
    } else {
        farewell_timer_.cancel();
    }
}

}  // namespace

std::unique_ptr<Protocol> make_grpc_protocol(IoContext& context, Connection& connection) {
    return std::make_unique<GrpcProtocol>(context, connection);
}

}  // namespace tritonpy
