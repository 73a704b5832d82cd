"""Asks model `add_sub` twice at the same time: for INPUT0 and INPUT1, and for both exchanged."""

import asyncio

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Awaits answers, so that the questions of all requests are on their way at once."""

    async def execute(self, requests):
        """Return the sum that the first answer has and the difference that the second has."""
        return await asyncio.gather(*(self._ask(request) for request in requests))

    async def _ask(self, request):
        first = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        second = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
        there, back = await asyncio.gather(
            self._question(first, second, "OUTPUT0").async_exec(),
            self._question(second, first, "OUTPUT1").async_exec(),
        )
        for answer in (there, back):
            if answer.has_error():
                return pb_utils.InferenceResponse(error=answer.error())
        total = pb_utils.get_output_tensor_by_name(there, "OUTPUT0")
        difference = pb_utils.get_output_tensor_by_name(back, "OUTPUT1")
        return pb_utils.InferenceResponse([total, difference])

    @staticmethod
    def _question(first, second, output):
        return pb_utils.InferenceRequest(
            model_name="add_sub",
            requested_output_names=[output],
            inputs=[pb_utils.Tensor("INPUT0", first), pb_utils.Tensor("INPUT1", second)],
        )
