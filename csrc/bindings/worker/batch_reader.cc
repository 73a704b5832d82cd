#include "bindings/worker/batch_reader.h"

#include "backend/message_flags.h"

namespace tritonpy {

BatchReader::BatchReader(const AttributeNames& names, const PythonObject& signature,
                         InputBlocks& blocks)
    : names_(names),
      blocks_(blocks),
      tensors_(names),
      input_names_(signature.attribute(PythonObject::name("input_names"))),
      input_codes_(signature.attribute(PythonObject::name("input_codes"))),
      request_type_(PythonObject::imported("tritonpy.worker.request", "InferenceRequest")),
      read_extras_(PythonObject::imported("tritonpy.worker.execute_message", "read_extras")),
      no_extras_(PythonObject::imported("tritonpy.worker.request", "NO_EXTRAS")) {
    auto same = [this](const char* attribute, PythonObject value) {
        same_.emplace_back(PythonObject::name(attribute), std::move(value));
    };
    same("_signature", signature);
    same("_model_name", signature.attribute(PythonObject::name("model_name")));
    same("_model_version", PythonObject::made(PyLong_FromLong(-1)));
    same("_release_flags", PythonObject::imported("tritonpy.worker.request", "RELEASE_ALL"));
    same("_preferred_memory", PythonObject::none());
    same("_reply", PythonObject::none());
    same("_trace", PythonObject::none());
}

PythonObject BatchReader::read(std::span<const std::byte> body) const {
    ServerMessage message(body);
    const auto place = message.in.number<uint64_t>();
    const auto arena_size = message.in.number<uint64_t>();
    const InputBlock* const block = place != 0 ? &blocks_.block(place, arena_size) : nullptr;
    const auto count = message.in.number<uint32_t>();
    PythonObject requests = PythonObject::new_list();
    for (uint32_t index = 0; index < count; ++index) {
        requests.append(read_request(message, block));
    }
    message.expect_end();
    return requests;
}

PythonObject BatchReader::read_request(ServerMessage& message,
                                       const InputBlock* block) const {
    MessageReader& in = message.in;
    PythonObject request = request_type_.instance();
    request.set(names_.key, PythonObject::of(in.number<uint64_t>()));
    request.set(names_.correlation, PythonObject::of(in.number<uint64_t>()));
    request.set(names_.timeout, PythonObject::of(in.number<uint64_t>()));
    request.set(names_.priority, PythonObject::of(in.number<uint64_t>()));
    request.set(names_.flags, PythonObject::of(in.number<uint32_t>()));
    request.set(names_.cancel_index, PythonObject::of(in.number<uint32_t>()));
    const auto input_count = in.number<uint16_t>();
    const auto output_count = in.number<uint16_t>();
    const bool has_text_correlation = in.number<uint8_t>() == kCorrelationIsText;
    in.skip(3);
    read_extras(message, in.number<uint32_t>(), has_text_correlation, request);
    const PythonObject inputs = PythonObject::new_list();
    for (uint16_t index = 0; index < input_count; ++index) {
        inputs.append(read_input(message, block));
    }
    request.set(names_.inputs, inputs);
    if (output_count == kAllOutputs) {
        request.set(names_.outputs, PythonObject::none());
    } else {
        message.expect(output_count * sizeof(uint16_t));
        request.set(names_.outputs, PythonObject::tuple_of(output_count, [&in] {
                        return PyLong_FromLong(in.number<uint16_t>());
                    }));
    }
    for (const auto& [name, value] : same_) {
        request.set(name, value);
    }
    return request;
}

// What few requests have is read in Python.
void BatchReader::read_extras(ServerMessage& message, uint32_t size, bool has_text_correlation,
                              const PythonObject& request) const {
    const PythonObject extras = size == 0 ? no_extras_ : read_extras_(message.take(size));
    request.set(names_.id, extras.item(0));
    if (has_text_correlation) {
        request.set(names_.correlation, extras.item(1));
    }
    request.set(names_.parameters, extras.item(2));
}

PythonObject BatchReader::read_input(ServerMessage& message, const InputBlock* block) const {
    const auto index = message.in.number<uint16_t>();
    const auto dim_count = message.in.number<uint16_t>();
    return tensors_.read({input_names_.item(index), input_codes_.item(index), dim_count}, message,
                         block);
}

}  // namespace tritonpy
