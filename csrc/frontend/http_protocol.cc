#include "frontend/http_protocol.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "frontend/http_answer.h"
#include "frontend/http_control.h"
#include "frontend/http_inference.h"
#include "frontend/http_request_body.h"
#include "frontend/http_unread_bytes.h"
#include "frontend/requested_version.h"
#include "wire/content_coding.h"
#include "wire/http1_head.h"
#include "wire/status_codes.h"
#include "wire/v2_route.h"

namespace tritonpy {

namespace {

constexpr std::string_view kExiting = "Server exiting";
constexpr int kRequestTimeout = 408;
constexpr int kUnavailable = 503;

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

size_t size_of_empty_lines(std::string_view text) {
    std::string_view rest = text;
    while (rest.starts_with('\n') || rest.starts_with("\r\n")) {
        rest.remove_prefix(rest.front() == '\n' ? 1 : 2);
    }
    return text.size() - rest.size();
}

// Triton's text for a body that is larger than --http-max-input-size.
std::string too_large_text(size_t size, size_t max_size, const Http1Head& head) {
    std::string what = "request size of " + std::to_string(size) +
                       " bytes exceeds the maximum allowed input size";
    if (!head.json_length()) {
        what = "request JSON size of " + std::to_string(size) +
               " bytes exceeds the maximum allowed input size";
    } else if (*head.json_length() == "0") {
        what = "Raw input has a byte_size (" + std::to_string(size) +
               " bytes) that exceeds the maximum allowed value";
    }
    return what + " of " + std::to_string(max_size) +
           " bytes. Use --http-max-input-size to increase the limit.";
}

class HttpProtocol final : public Protocol, public ResponseReceiver, public ControlReceiver {
  public:
    HttpProtocol(IoContext& context, Connection& connection)
        : context_(context), connection_(connection), kept_share_(context.held) {}

    std::span<std::byte> read_space() override;
    void on_bytes(std::span<const std::byte> bytes) override;
    void on_end_of_input() override;
    void produce() override;
    void on_timeout() override;
    void on_shutdown() override;
    void on_cut_off() override;
    void on_closed() override;

    void on_response(std::unique_ptr<InferenceResponse> response) override;
    void on_answer(ControlAnswer answer) override;

  private:
    enum class Phase : uint8_t {
        kHead,       // of the next request, of which there may be nothing yet
        kBody,       // of the request whose head is here
        kInference,  // the core has the request
        kControl,    // the control plane has it
        kOver,       // nothing more is read or answered
    };

    // Reading. Those that return a number used so many of the bytes.
    size_t serve(std::span<const std::byte> bytes);
    void serve_unread();
    size_t take_head(std::span<const std::byte> bytes);
    size_t begin_body(std::string_view head, std::span<const std::byte> rest);
    void after_body(HttpRequestBody::Outcome outcome);
    void wait_for_body(std::string_view head);
    void keep(std::span<const std::byte> bytes);
    bool count_kept();
    void set_partial(bool partial);

    // Answering. Each request ends in request_over or in end_connection.
    void run(HttpBody body);
    V2Route route() const {
        return route_request(context_.infer_calls.server(), head_.method(), head_.target());
    }
    void run_inference(const V2Route& route, HttpBody& body);
    void run_control(HttpBody& body);
    void wait_for_answer(Phase phase, HeldShare share);
    void on_control_end(bool whole);
    void answer_health(bool good);
    void answer_model_ready(const V2Route& route);
    void answer_error(const Status& error);
    void request_over();
    void refuse(int status, std::string_view text);
    void end_connection();
    void cancel_running();
    void forget_head();
    void forget_everything();

    size_t max_input_size() const { return context_.options.http->max_input_size; }

    IoContext& context_;
    Connection& connection_;
    Phase phase_ = Phase::kHead;
    ContentCoding coding_ = ContentCoding::kIdentity;  // of the answer
    AnswerTerms terms_;                                // of the request that is being served
    bool partial_ = false;  // what Connection::expect_more was told
    bool paused_ = false;   // reading is
    bool stalled_ = false;  // unread bytes wait until answers were written
    Http1Head head_;
    std::string kept_head_;   // what head_ was read from, while its body comes
    HttpUnreadBytes unread_;
    HeldShare kept_share_;    // of both
    std::optional<HttpRequestBody> body_;
    HeldShare body_share_;    // of a small body, until it was answered
    InferCall* call_ = nullptr;
    size_t early_responses_ = 0;  // of the call: those that were not final
    uint64_t control_call_ = 0;
    HttpControlAnswer control_answer_;
    size_t untaken_ = 0;  // pieces of which the control plane has not heard that they left
};

std::span<std::byte> HttpProtocol::read_space() {
    return phase_ == Phase::kBody ? body_->read_space() : std::span<std::byte>();
}

void HttpProtocol::on_bytes(std::span<const std::byte> bytes) {
    if (phase_ == Phase::kOver) {
        return;
    }
    std::span<std::byte> space = read_space();
    if (!space.empty() && bytes.data() == space.data()) {
        after_body(body_->filled(bytes.size()));
        return;
    }
    if (unread_.empty()) {
        keep(bytes.subspan(serve(bytes)));
    } else {
        keep(bytes);
        serve_unread();
    }
}

// Takes requests until one has to be waited for.
size_t HttpProtocol::serve(std::span<const std::byte> bytes) {
    size_t used = 0;
    while (used < bytes.size()) {
        if (phase_ == Phase::kBody) {
            HttpRequestBody::Step step = body_->take(bytes.subspan(used));
            used += step.used;
            after_body(step.outcome);
            continue;
        }
        if (phase_ != Phase::kHead) {
            break;
        }
        stalled_ = connection_.is_backed_up();
        if (stalled_) {
            break;
        }
        size_t taken = take_head(bytes.subspan(used));
        used += taken;
        if (taken == 0) {
            break;
        }
    }
    return used;
}

void HttpProtocol::serve_unread() {
    if (unread_.empty()) {
        return;
    }
    HttpUnreadBytes unread = std::exchange(unread_, {});
    unread.drop(serve(std::as_bytes(std::span(unread.view()))));
    if (phase_ == Phase::kOver) {
        return;
    }
    unread_ = std::move(unread);
    if (count_kept() && paused_ && unread_.size() < limits::kReadSize) {
        paused_ = false;
        connection_.resume_reading();
    }
}

size_t HttpProtocol::take_head(std::span<const std::byte> bytes) {
    std::string_view text = text_of(bytes);
    if (!partial_) {
        // Between requests; a client that ends each with an empty line is not sending one.
        if (size_t skipped = size_of_empty_lines(text); skipped > 0) {
            return skipped;
        }
    }
    switch (head_.parse(text)) {
        case Http1Head::Outcome::kPartial:
            set_partial(true);
            return 0;
        case Http1Head::Outcome::kBad:
            terms_ = AnswerTerms();
            refuse(head_.error_status(), head_.error_text());
            return bytes.size();
        case Http1Head::Outcome::kComplete:
            break;
    }
    terms_.minor_version = head_.minor_version();
    terms_.keep_alive = head_.keep_alive();
    terms_.head_only = head_.method() == "HEAD";
    size_t size = head_.size();
    return size + begin_body(text.substr(0, size), bytes.subspan(size));
}

// Takes what is here of the body of the request whose head is complete.
size_t HttpProtocol::begin_body(std::string_view head, std::span<const std::byte> rest) {
    std::optional<size_t> length;
    if (!head_.chunked()) {
        uint64_t announced = head_.content_length().value_or(0);
        if (announced == 0) {
            run(HttpBody());
            return 0;
        }
        if (announced > max_input_size()) {
            refuse(http_status_of(StatusCode::kInvalidArg),
                   too_large_text(announced, max_input_size(), head_));
            return rest.size();
        }
        length = announced;
    }
    BlockPool& pool = context_.infer_calls.server().pool();
    body_.emplace(length, max_input_size(), pool, context_.held);
    phase_ = Phase::kBody;
    HttpRequestBody::Step step = body_->take(rest);
    if (step.outcome == HttpRequestBody::Outcome::kPartial) {
        wait_for_body(head);
    } else {
        after_body(step.outcome);
    }
    return step.used;
}

void HttpProtocol::wait_for_body(std::string_view head) {
    if (head_.expects_continue() && body_->size() == 0) {
        const V2Route route = this->route();
        if (route.operation == V2Operation::kInfer) {
            if (Status error = check_http_inference(context_, head_, route); !error.ok()) {
                terms_.keep_alive = false;  // the body may come all the same
                answer_error(error);
                return;
            }
        }
        connection_.out().append("HTTP/1.1 100 Continue\r\n\r\n");
        connection_.request_flush();
    }
    set_partial(true);
    kept_head_ = head;  // the bytes that the head was read from will not stay
    head_.reset();
    TRITONPY_CHECK(head_.parse(kept_head_) == Http1Head::Outcome::kComplete);
    count_kept();
}

void HttpProtocol::after_body(HttpRequestBody::Outcome outcome) {
    switch (outcome) {
        case HttpRequestBody::Outcome::kPartial:
            return;
        case HttpRequestBody::Outcome::kTooLarge:
            refuse(http_status_of(StatusCode::kInvalidArg),
                   too_large_text(body_->size(), max_input_size(), head_));
            return;
        case HttpRequestBody::Outcome::kBad:
            refuse(http_status_of(StatusCode::kInvalidArg), body_->error_text());
            return;
        case HttpRequestBody::Outcome::kFull:
            refuse(http_status_of(StatusCode::kUnavailable), body_->error_text());
            return;
        case HttpRequestBody::Outcome::kComplete:
            break;
    }
    auto body = body_->finish();
    if (body.ok()) {
        run(std::move(body).value());
    } else {
        answer_error(body.status());
    }
}

// Keeps what cannot be looked at yet.
void HttpProtocol::keep(std::span<const std::byte> bytes) {
    if (bytes.empty() || phase_ == Phase::kOver) {
        return;
    }
    unread_.append(bytes);
    bool waits = phase_ != Phase::kHead || stalled_;
    if (count_kept() && waits && !paused_ && unread_.size() >= limits::kReadSize) {
        paused_ = true;
        connection_.pause_reading();
    }
}

// False when there is no room for what is kept; then the connection is over.
bool HttpProtocol::count_kept() {
    if (kept_share_.try_resize(unread_.size() + kept_head_.size())) {
        return true;
    }
    if (phase_ == Phase::kHead || phase_ == Phase::kBody) {
        refuse(kUnavailable, kTooMuchHeld);
    } else {
        connection_.close_now();  // there is no telling in the middle of another answer
    }
    return false;
}

void HttpProtocol::set_partial(bool partial) {
    if (partial_ != partial) {
        partial_ = partial;
        connection_.expect_more(partial);
    }
}

void HttpProtocol::run(HttpBody body) {
    set_partial(false);
    body_.reset();
    const V2Route route = this->route();
    switch (route.operation) {
        case V2Operation::kInfer:
            run_inference(route, body);
            break;
        case V2Operation::kServerLive:
            answer_health(true);
            break;
        case V2Operation::kServerReady:
            answer_health(context_.health.ready.load(std::memory_order_relaxed));
            break;
        case V2Operation::kModelReady:
            if (context_.health.models_have_checks.load(std::memory_order_relaxed)) {
                run_control(body);
            } else {
                answer_model_ready(route);
            }
            break;
        default:
            run_control(body);
            break;
    }
}

void HttpProtocol::run_inference(const V2Route& route, HttpBody& body) {
    std::string_view accepted = head_.accept_encoding();
    coding_ = accepted.empty() ? ContentCoding::kIdentity : choose_coding(accepted);
    auto call = submit_http_inference(context_, head_, route, body, *this);
    if (!call.ok()) {
        answer_error(call.status());
        return;
    }
    call_ = call.value();
    early_responses_ = 0;
    wait_for_answer(Phase::kInference, std::move(body.held));
}

void HttpProtocol::run_control(HttpBody& body) {
    auto call = context_.control_calls.start(control_request(head_, body), *this);
    if (!call.ok()) {
        answer_error(call.status());
        return;
    }
    control_call_ = call.value();
    control_answer_ = HttpControlAnswer();
    untaken_ = 0;
    wait_for_answer(Phase::kControl, std::move(body.held));
}

void HttpProtocol::wait_for_answer(Phase phase, HeldShare share) {
    phase_ = phase;
    body_share_ = std::move(share);
    connection_.set_busy(true);
    forget_head();
}

void HttpProtocol::answer_health(bool good) {
    if (context_.health.exiting.load(std::memory_order_relaxed)) {
        append_error_answer(connection_.out(), kUnavailable, kExiting, terms_);
    } else {
        append_empty_answer(connection_.out(), good ? 200 : 400, terms_);
    }
    request_over();
}

void HttpProtocol::answer_model_ready(const V2Route& route) {
    const InferenceServer& server = context_.infer_calls.server();
    auto version = requested_version(server, route.model, route.version);
    Status ready = version.ok() ? server.check_ready(route.model, version.value())
                                : version.status();
    if (!ready.ok()) {
        answer_error(ready);
        return;
    }
    append_empty_answer(connection_.out(), 200, terms_);
    request_over();
}

void HttpProtocol::answer_error(const Status& error) {
    append_error_answer(connection_.out(), error, terms_);
    request_over();
}

// The request was answered, and the next may begin.
void HttpProtocol::request_over() {
    if (!terms_.keep_alive) {
        end_connection();
        return;
    }
    phase_ = Phase::kHead;
    set_partial(false);
    body_.reset();
    body_share_ = HeldShare();
    forget_head();
    connection_.request_flush();
}

void HttpProtocol::forget_head() {
    head_.reset();
    if (!kept_head_.empty()) {
        kept_head_ = std::string();
        count_kept();
    }
}

// Answers what is no request, or one whose body is still to come, which nobody wants to wait for.
void HttpProtocol::refuse(int status, std::string_view text) {
    terms_.keep_alive = false;
    append_error_answer(connection_.out(), status, text, terms_);
    end_connection();
}

// Writes what is there, and closes.
void HttpProtocol::end_connection() {
    set_partial(false);
    forget_everything();
    connection_.close_after_flush();
}

void HttpProtocol::forget_everything() {
    phase_ = Phase::kOver;
    partial_ = false;
    head_.reset();
    kept_head_ = std::string();
    unread_.clear();
    kept_share_.try_resize(0);
    body_.reset();
    body_share_ = HeldShare();
}

void HttpProtocol::cancel_running() {
    if (phase_ == Phase::kInference) {
        context_.infer_calls.cancel(*call_);
    } else if (phase_ == Phase::kControl) {
        context_.control_calls.cancel(control_call_);
    }
}

void HttpProtocol::on_response(std::unique_ptr<InferenceResponse> response) {
    if (!response->final) {
        ++early_responses_;
        return;
    }
    if (early_responses_ > 0 && response->status.ok()) {
        response->status = internal_error("expected a single response, got " +
                                          std::to_string(early_responses_ + 1));
    }
    append_inference_answer(connection_.out(), std::move(response), coding_, terms_,
                            context_.held);
    connection_.set_busy(false);
    request_over();
    serve_unread();
}

void HttpProtocol::on_answer(ControlAnswer answer) {
    OutQueue& out = connection_.out();
    bool whole = true;
    if (answer.kind == ControlAnswer::Kind::kHead && !control_answer_.begun()) {
        control_answer_.begin(out, answer.status, answer.headers, terms_);
    } else if (control_answer_.begun()) {
        whole = control_answer_.append(out, std::move(answer.bytes), context_.held);
    }
    connection_.request_flush();
    if (answer.kind == ControlAnswer::Kind::kPiece) {
        ++untaken_;
        if (!whole) {
            cancel_running();
            end_connection();
        }
    }
    if (answer.kind == ControlAnswer::Kind::kEnd) {
        on_control_end(whole);
    }
}

void HttpProtocol::on_control_end(bool whole) {
    connection_.set_busy(false);
    if (!control_answer_.begun()) {
        answer_error(internal_error("the control plane has not answered"));
    } else {
        whole = whole && control_answer_.end(connection_.out());
        terms_.keep_alive = terms_.keep_alive && whole;
        request_over();
    }
    serve_unread();
}

void HttpProtocol::produce() {
    if (phase_ == Phase::kControl) {
        for (; untaken_ > 0; --untaken_) {
            ControlEvent taken;
            taken.kind = ControlEvent::Kind::kTaken;
            taken.call_id = control_call_;
            context_.control_calls.send(std::move(taken));
        }
    }
    if (stalled_ && phase_ == Phase::kHead) {
        serve_unread();
    }
}

void HttpProtocol::on_end_of_input() {
    cancel_running();
    end_connection();
}

void HttpProtocol::on_timeout() {
    if (!partial_) {
        connection_.close_now();
        return;
    }
    if (phase_ == Phase::kHead) {
        terms_ = AnswerTerms();
    }
    refuse(kRequestTimeout, "the request did not arrive in time");
}

void HttpProtocol::on_shutdown() {
    terms_.keep_alive = false;
    if (phase_ != Phase::kHead) {
        return;  // what runs is answered; close_after_flush is on its way
    }
    if (connection_.out().empty()) {
        connection_.close_now();
    } else {
        end_connection();
    }
}

void HttpProtocol::on_cut_off() {
    bool waits = phase_ == Phase::kBody || phase_ == Phase::kInference ||
                 (phase_ == Phase::kControl && !control_answer_.begun());
    cancel_running();
    if (waits) {
        refuse(kUnavailable, kExiting);
    } else if (phase_ != Phase::kOver) {
        end_connection();
    }
}

void HttpProtocol::on_closed() {
    cancel_running();
    forget_everything();
}

}  // namespace

std::unique_ptr<Protocol> make_http_protocol(IoContext& context, Connection& connection) {
    return std::make_unique<HttpProtocol>(context, connection);
}

}  // namespace tritonpy
