#include "backend/worker_session.h"

#include <algorithm>
#include <string>

namespace tritonpy {

Result<BufferRef> MessageBlocks::at(uint64_t block) {
    auto known = std::find_if(taken_.begin(), taken_.end(),
                              [block](const auto& one) { return one.first == block; });
    if (known != taken_.end()) {
        return known->second;
    }
    TRITONPY_ASSIGN_OR_RETURN(BufferRef buffer, outputs_.block(block, arena_size_));
    taken_.emplace_back(block, buffer);
    return buffer;
}

Status MessageBlocks::place_one(const WorkerTensor& tensor, const BufferRef& block,
                                Tensor& out) {
    if (tensor.is_named_back) {
        TRITONPY_ASSIGN_OR_RETURN(out.buffer, inputs_.named_back(tensor.offset, tensor.size));
        out.data = {out.buffer->data(), tensor.size};
        return Status();
    }
    size_t room = block ? block->size() : 0;
    if (tensor.size > room || tensor.offset > room - tensor.size) {
        return internal_error("tensor '" + tensor.name + "' of a worker has " +
                              std::to_string(tensor.size) + " bytes at " +
                              std::to_string(tensor.offset) + " of a block of " +
                              std::to_string(room));
    }
    if (tensor.size > 0) {
        out.buffer = block;
        out.data = {block->data() + tensor.offset, tensor.size};
    }
    return Status();
}

Status MessageBlocks::place(uint64_t block, std::vector<WorkerTensor> tensors,
                            std::vector<Tensor>& out) {
    BufferRef buffer;
    if (block != 0) {
        TRITONPY_ASSIGN_OR_RETURN(buffer, at(block));
    }
    out.reserve(tensors.size());
    for (WorkerTensor& tensor : tensors) {
        Tensor& placed = out.emplace_back();
        TRITONPY_RETURN_IF_ERROR(place_one(tensor, buffer, placed));
        placed.name = std::move(tensor.name);
        placed.data_type = tensor.data_type;
        placed.shape = std::move(tensor.shape);
    }
    return Status();
}

Result<std::shared_ptr<WorkerSession>> WorkerSession::over(const LaunchedWorker& worker) {
    auto session = std::make_shared<WorkerSession>(worker);
    auto inputs = SharedArena::over(worker.inputs_fd);
    auto outputs = SharedArenaView::over(worker.outputs_fd);  // both, so that none stays open
    TRITONPY_RETURN_IF_ERROR(inputs.status());
    TRITONPY_RETURN_IF_ERROR(outputs.status());
    session->inputs_ = std::move(inputs).value();
    session->outputs_ = std::move(outputs).value();
    return session;
}

Result<std::unique_ptr<InferenceResponse>> WorkerSession::response_of(WorkerResponse said,
                                                                      MessageBlocks& blocks) {
    auto response = std::make_unique<InferenceResponse>();
    response->status = std::move(said.error);
    response->parameters = std::move(said.parameters);
    // Of an error too: what it names must come home.
    TRITONPY_RETURN_IF_ERROR(blocks.place(said.block, std::move(said.outputs),
                                          response->outputs));
    return response;
}


}  // namespace tritonpy
