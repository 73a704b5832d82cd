// The worker's end of the channels: what a Python worker does with bytes, without Python and
// without a process.
//
// Threads: confined to its script. Owns: the worker's ends of sockets and memfds.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/message_bytes.h"
#include "backend/message_stream.h"
#include "backend/worker_messages.h"
#include "base/check.h"
#include "memory/shared_arena.h"
#include "memory/shared_arena_view.h"
#include "support/worker_side_messages.h"

namespace tritonpy {

class FakeWorker {
  public:
    FakeWorker(int execute, int calls, int inputs, int outputs)
        : execute_(execute),
          calls_(calls),
          flags_(static_cast<uint8_t*>(mmap(nullptr, SharedArena::kReserved,
                                            PROT_READ | PROT_WRITE, MAP_SHARED, inputs, 0))),
          inputs_(SharedArenaView::over(inputs).value()),
          outputs_(SharedArena::over(outputs).value()) {}
    ~FakeWorker() { munmap(flags_, SharedArena::kReserved); }
    FakeWorker(const FakeWorker&) = delete;
    FakeWorker& operator=(const FakeWorker&) = delete;

    SharedArena& outputs() { return *outputs_; }
    MessageStream& execute_stream() { return execute_; }
    MessageStream& calls_stream() { return calls_; }

    // ---- lock-step

    // The next EXECUTE; nothing when the server has gone. Gives its block back, unless told to keep
    // it.
    std::optional<std::vector<SeenRequest>> read_execute(bool keep = false) {
        auto body = read(execute_);
        if (!body) {
            return std::nullopt;
        }
        MessageReader in(*body);
        auto block = in.number<uint64_t>();
        auto arena_size = in.number<uint64_t>();
        std::vector<SeenRequest> requests(in.number<uint32_t>());
        BufferRef bytes = block == 0 ? BufferRef() : inputs_->block(block, arena_size).value();
        for (SeenRequest& request : requests) {
            read_seen_request(in, request, bytes);
        }
        TRITONPY_CHECK(in.at_good_end());
        if (keep) {
            kept_ = std::move(bytes);
            kept_at_ = block;
        }
        return requests;
    }

    // EXECUTED with one final response for each, all in one block.
    void answer(const std::vector<MadeResponse>& responses) {
        Bytes body;
        MessageWriter out(body);
        write_executed_head(out, static_cast<uint32_t>(responses.size()));
        SharedArena::Block block = write_block(responses);
        out.overwrite(8, outputs_->size());
        uint64_t offset = 0;
        for (const MadeResponse& response : responses) {
            out.number(uint32_t{0});
            write_made_response(out, response, block.offset, offset);
        }
        send(execute_, WorkerMessageKind::kExecuted, body);
    }
    // EXECUTED that names the inputs of the batch back instead of copying them, which were read
    // with read_execute(true).
    void answer_in_place(const std::vector<SeenRequest>& requests) {
        Bytes body;
        MessageWriter out(body);
        write_executed_head(out, static_cast<uint32_t>(requests.size()));
        auto* words = reinterpret_cast<uint32_t*>(kept_->data() - SharedArena::kHeader);
        for (const SeenRequest& request : requests) {
            out.number(uint32_t{0});
            write_named_back(out, request.inputs.at(0), kept_at_);
            ++words[1];
        }
        send(execute_, WorkerMessageKind::kExecuted, body);
        kept_ = BufferRef();
    }
    // EXECUTED that leaves `count` requests open (kind 1) or rescheduled (kind 2).
    void leave_open(size_t count, uint32_t kind = 1) {
        Bytes body;
        MessageWriter out(body);
        write_executed_head(out, static_cast<uint32_t>(count));
        for (; count > 0; --count) {
            out.number(kind);
        }
        send(execute_, WorkerMessageKind::kExecuted, body);
    }
    void fail_batch(uint8_t code, std::string_view text) {
        Bytes body;
        MessageWriter out(body);
        out.number(uint8_t{1});
        out.number(code);
        out.number(uint16_t{0});
        out.number(uint32_t{0});
        out.number(uint64_t{0});
        out.text(text);
        send(execute_, WorkerMessageKind::kExecuted, body);
    }

    // ---- asynchronous

    void respond(uint64_t key, bool final, const std::optional<MadeResponse>& response) {
        Bytes body;
        MessageWriter out(body);
        SharedArena::Block block;
        if (response) {
            block = write_block({*response});
        }
        out.number(key);
        out.number(outputs_->size());
        out.number(uint32_t{final});
        out.number(response ? uint32_t{0} : uint32_t{1});
        if (response) {
            uint64_t offset = 0;
            write_made_response(out, *response, block.offset, offset);
        }
        send(calls_, WorkerMessageKind::kResponse, body);
    }

    // Asks `model` for an inference with one FP32 input INPUT0 of shape [n,1].
    void infer(uint64_t call, const std::string& model, const std::vector<float>& values,
               bool decoupled = false) {
        MadeTensor input{0, 11, {static_cast<int64_t>(values.size()), 1}, bytes_of(values)};
        SharedArena::Block block = write_block({{{}, {}, {input}}});
        Bytes body;
        MessageWriter out(body);
        for (uint64_t number : {call, uint64_t{0}, uint64_t{0}, uint64_t{0}}) {
            out.number(number);
        }
        out.number(uint32_t{0});
        out.number(uint32_t{decoupled});
        out.number(int64_t{-1});
        out.number(uint32_t{0});
        out.number(outputs_->size());
        out.text(model);
        out.text("");
        out.text("");
        out.number(uint16_t{1});
        out.number(uint16_t{0xFFFF});
        out.number(uint32_t{0});
        out.number(block.offset);
        out.text("INPUT0");
        out.number(input.data_type);
        out.number(uint8_t{2});
        out.number(uint16_t{0});
        out.number(uint32_t{0});
        out.number(uint64_t{0});
        out.number(static_cast<uint64_t>(input.bytes.size()));
        out.dims(input.dims);
        send(calls_, WorkerMessageKind::kInfer, body);
    }
    void cancel(uint64_t call) {
        Bytes body;
        MessageWriter(body).number(call);
        send(calls_, WorkerMessageKind::kCancel, body);
    }
    // Says that the model has taken what it was told in `answer`.
    void take(const SeenAnswer& answer) {
        Bytes body;
        MessageWriter out(body);
        out.number(answer.call);
        out.number(answer.charge);
        send(calls_, WorkerMessageKind::kRead, body);
    }
    std::optional<SeenAnswer> read_answer() {
        auto body = read(calls_);
        if (!body) {
            return std::nullopt;
        }
        MessageReader in(*body);
        SeenAnswer answer;
        answer.call = in.number<uint64_t>();
        answer.charge = in.number<uint64_t>();
        answer.final = in.number<uint32_t>() != 0;
        answer.has_error = in.number<uint8_t>() != 0;
        answer.code = in.number<uint8_t>();
        answer.outputs.resize(in.number<uint16_t>());
        auto block = in.number<uint64_t>();
        auto arena_size = in.number<uint64_t>();
        auto parameter_count = in.number<uint32_t>();
        answer.error = in.text();
        answer.parameters = read_parameters(in, parameter_count).value();
        BufferRef bytes = block == 0 ? BufferRef() : inputs_->block(block, arena_size).value();
        for (SeenTensor& tensor : answer.outputs) {
            tensor.name = in.text();
            tensor.data_type = in.number<uint8_t>();
            auto rank = in.number<uint8_t>();
            in.skip(6);
            read_seen_place(in, rank, bytes, tensor);
        }
        TRITONPY_CHECK(in.at_good_end());
        return answer;
    }

    // The byte that says whether a request's client has gone.
    bool is_cancelled(uint32_t index) {
        return std::atomic_ref<uint8_t>(flags_[index]).load(std::memory_order_relaxed) != 0;
    }

    static void send(MessageStream& stream, WorkerMessageKind kind, const Bytes& body) {
        Bytes message;
        MessageWriter out(message);
        out.number(static_cast<uint32_t>(body.size()));
        out.number(static_cast<uint16_t>(kind));
        out.number(uint16_t{0});
        message.insert(message.end(), body.begin(), body.end());
        (void)stream.send(message);
    }

    static std::string bytes_of(const std::vector<float>& values) {
        return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
    }

    // Gives every request its first input back as its first output.
    static std::vector<MadeResponse> echoes(const std::vector<SeenRequest>& requests) {
        std::vector<MadeResponse> responses;
        for (const SeenRequest& request : requests) {
            const SeenTensor& input = request.inputs.at(0);
            responses.push_back({{}, {}, {{0, 11, input.dims, input.bytes}}});
        }
        return responses;
    }

  private:
    static std::optional<Bytes> read(MessageStream& stream) {
        std::optional<MessageStream::Message> message;
        while (!(message = stream.next())) {
            if (!stream.receive()) {
                return std::nullopt;
            }
        }
        return Bytes(message->body.begin(), message->body.end());
    }

    void write_executed_head(MessageWriter& out, uint32_t count) {
        out.number(uint32_t{0});
        out.number(count);
        out.number(outputs_->size());
    }

    SharedArena::Block write_block(const std::vector<MadeResponse>& responses) {
        BlockLayout layout;
        for (const MadeResponse& response : responses) {
            for (const MadeTensor& output : response.outputs) {
                layout.place(output.bytes.size());
            }
        }
        if (layout.size() == 0) {
            return {};
        }
        SharedArena::Block block = outputs_->allocate(layout.size()).value();
        BlockLayout again;
        for (const MadeResponse& response : responses) {
            for (const MadeTensor& output : response.outputs) {
                std::memcpy(block.data + again.place(output.bytes.size()), output.bytes.data(),
                            output.bytes.size());
            }
        }
        return block;
    }

    MessageStream execute_;
    MessageStream calls_;
    uint8_t* const flags_;
    std::shared_ptr<SharedArenaView> inputs_;
    std::shared_ptr<SharedArena> outputs_;
    BufferRef kept_;  // the block of the batch in hand
    uint64_t kept_at_ = 0;
};

// A worker that echoes for as long as it is asked.
inline void echo_script(FakeWorker& worker) {
    while (auto requests = worker.read_execute()) {
        worker.answer(FakeWorker::echoes(*requests));
    }
}

}  // namespace tritonpy
