"""Goal: programs of the kinds that Triton's users write do here what they do there.

Method: one server with such models, each asked over both clients; what one of them cannot have is
told in Triton's words.
"""

from __future__ import annotations

import io
import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from PIL import Image
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_DECODING = """
    import io
    import json
    import numpy as np
    import triton_python_backend_utils as pb_utils
    from PIL import Image, UnidentifiedImageError

    class TritonPythonModel:
        def initialize(self, args):
            config = json.loads(args["model_config"])
            output = pb_utils.get_output_config_by_name(config, "PIXELS")
            self.dtype = pb_utils.triton_string_to_numpy(output["data_type"])
            self.size = tuple(int(dim) for dim in output["dims"][1:])

        def execute(self, requests):
            return [self.decoded(request) for request in requests]

        def decoded(self, request):
            images = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()
            try:
                pixels = [self.pixels(image) for image in images.ravel()]
            except UnidentifiedImageError:
                error = pb_utils.TritonError("no image", pb_utils.TritonError.INVALID_ARG)
                return pb_utils.InferenceResponse(output_tensors=[], error=error)
            return pb_utils.InferenceResponse(
                output_tensors=[pb_utils.Tensor("PIXELS", np.stack(pixels).astype(self.dtype))],
                parameters={"count": len(pixels), "whole": True, "format": "CHW"},
            )

        def pixels(self, encoded):
            image = Image.open(io.BytesIO(encoded)).convert("RGB").resize(self.size[::-1])
            return np.asarray(image).transpose(2, 0, 1)
"""
_DECODING_CONFIG = """
    backend: "python"
    max_batch_size: 4
    input [ { name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] } ]
    output [ { name: "PIXELS" data_type: TYPE_FP32 dims: [ 3, 4, 6 ] } ]
    dynamic_batching { }
"""
_NUMBERS_CONFIG = """
    backend: "python"
    input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
    output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
"""
_STREAM_CONFIG = _NUMBERS_CONFIG + "model_transaction_policy { decoupled: true }"
_COUNTING = """
    import threading
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            for request in requests:
                count = int(request.inputs()[0].as_numpy()[0])
                sender = request.get_response_sender()
                threading.Thread(target=self.count, args=(sender, count)).start()

        def count(self, sender, count):
            for number in range(count):
                output = pb_utils.Tensor("OUT", np.array([number], np.int32))
                sender.send(pb_utils.InferenceResponse([output]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
# Hands on what the counting model streams, each tensor by DLPack.
_RELAYING = """
    import triton_python_backend_utils as pb_utils

    def question(request):
        return pb_utils.InferenceRequest(
            model_name="counting",
            requested_output_names=["OUT"],
            inputs=[pb_utils.get_input_tensor_by_name(request, "IN")],
            trace=request.trace(),
        )

    def relay(sender, response):
        tensor = pb_utils.get_output_tensor_by_name(response, "OUT")
        if tensor is not None:
            copy = pb_utils.Tensor.from_dlpack("OUT", tensor.to_dlpack())
            sender.send(pb_utils.InferenceResponse(output_tensors=[copy]))
"""
_RELAYING_IN_TURN = (
    _RELAYING
    + """
    class TritonPythonModel:
        def execute(self, requests):
            for request in requests:
                sender = request.get_response_sender()
                for response in question(request).exec(decoupled=True):
                    relay(sender, response)
                sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            return None
"""
)
_RELAYING_TOGETHER = (
    _RELAYING
    + """
    import asyncio

    class TritonPythonModel:
        async def execute(self, requests):
            await asyncio.gather(*map(self.relayed, requests))

        async def relayed(self, request):
            sender = request.get_response_sender()
            async for response in await question(request).async_exec(decoupled=True):
                relay(sender, response)
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
)
# Asks the model that the request names, and answers with the error it got.
_ASKING = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            responses = []
            for request in requests:
                name, version, timeout = request.inputs()[0].as_numpy()
                asked = pb_utils.InferenceRequest(
                    model_name=name.decode(),
                    model_version=int(version),
                    timeout=int(timeout),
                    requested_output_names=["OUT"],
                    inputs=[pb_utils.Tensor("IN", np.array([[1]], np.int32))],
                    preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
                )
                error = asked.exec().error()
                text = np.array([error.message().encode()], np.object_)
                responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("ERROR", text)]))
            return responses
"""
_ASKING_CONFIG = """
    backend: "python"
    input [ { name: "ASKED" data_type: TYPE_STRING dims: [ 3 ] } ]
    output [ { name: "ERROR" data_type: TYPE_STRING dims: [ 1 ] } ]
"""
# Would run if four requests came within an hour.
_WAITING_CONFIG = """
    backend: "python"
    max_batch_size: 4
    input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
    output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
    dynamic_batching {
        preferred_batch_size: [ 4 ]
        max_queue_delay_microseconds: 3600000000
        default_queue_policy {
            allow_timeout_override: true
            default_timeout_microseconds: 3600000000
        }
    }
"""


@pytest.fixture(scope="module")
def programs(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with all of these models."""
    repository = tmp_path_factory.mktemp("programs")
    write_python_model(repository, "decoding", _DECODING, _DECODING_CONFIG)
    write_python_model(repository, "counting", _COUNTING, _STREAM_CONFIG)
    write_python_model(repository, "in_turn", _RELAYING_IN_TURN, _STREAM_CONFIG)
    write_python_model(repository, "together", _RELAYING_TOGETHER, _STREAM_CONFIG)
    write_python_model(repository, "asking", _ASKING, _ASKING_CONFIG)
    write_python_model(repository, "waiting", config=_WAITING_CONFIG)
    with RunningServer(repository, ServerOptions(frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, programs: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other."""
    with connect(request.param, programs) as connected:
        yield connected


def _encoded(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(file, "PNG")
    return file.getvalue()


def _images(*images: bytes) -> dict[str, Array]:
    return {"IMAGE": np.array(images, np.object_).reshape(-1, 1)}


def test_encoded_images_become_pixels(client: Client) -> None:
    result = client.infer("decoding", _images(_encoded((255, 0, 7)), _encoded((1, 2, 3))))
    pixels = result.as_numpy("PIXELS")
    assert (pixels.shape, pixels.dtype) == ((2, 3, 4, 6), np.float32)
    assert pixels[0, :, 0, 0].tolist() == [255, 0, 7]
    assert pixels[1, :, 3, 5].tolist() == [1, 2, 3]
    parameters = client.response(result)["parameters"]
    assert {key: parameters[key] for key in ("count", "whole", "format")} == {
        "count": 2,
        "whole": True,
        "format": "CHW",
    }


def test_what_is_no_image_is_the_clients_mistake(client: Client) -> None:
    with pytest.raises(InferenceServerException, match="no image") as raised:
        client.infer("decoding", _images(b"nothing"))
    wanted = "StatusCode.INVALID_ARGUMENT" if client.protocol == "grpc" else "400"
    assert raised.value.status() == wanted


@pytest.mark.parametrize("model", ["in_turn", "together"])
def test_a_stream_goes_through_two_models(programs: RunningServer, model: str) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    found: dict[str, list[int]] = {"2": [], "0": [], "7": []}
    with grpcclient.InferenceServerClient(programs.grpc_address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for count in found:
            tensor = grpcclient.InferInput("IN", [1], "INT32")
            tensor.set_data_from_numpy(np.array([int(count)], np.int32))
            client.async_stream_infer(
                model, [tensor], request_id=count, enable_empty_final_response=True
            )
        ended = 0
        while ended < len(found):
            result, error = answers.get()
            assert error is None
            response = result.get_response()
            if response.parameters["triton_final_response"].bool_param:
                ended += 1
            else:
                found[response.id].append(int(result.as_numpy("OUT")[0]))
        client.stop_stream()
    assert found == {"2": [0, 1], "0": [], "7": list(range(7))}


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            ("nobody", "-1", "0"),
            "Failed for execute the inference request. Model 'nobody' is not ready.",
        ),
        (
            ("waiting", "9", "0"),
            "Failed for execute the inference request. Model 'waiting' is not ready.",
        ),
        (
            ("counting", "-1", "0"),
            "Model counting is using the decoupled. The current BLS request call doesn't support "
            "models using the decoupled transaction policy. Please use 'decoupled=True' argument "
            "to the 'exec' or 'async_exec' calls for decoupled models.'",
        ),
        (("waiting", "-1", "1000"), "Request timeout expired"),
    ],
)
def test_a_call_that_fails_gives_its_reason(
    client: Client, asked: tuple[str, str, str], text: str
) -> None:
    words = np.array([word.encode() for word in asked], np.object_)
    result = client.infer("asking", {"ASKED": words})
    assert result.as_numpy("ERROR").tolist() == [text.encode()]
