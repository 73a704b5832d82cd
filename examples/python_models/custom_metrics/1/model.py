"""Passes its input on, and counts what it sees on the server's metrics page."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Has a counter, a gauge and a histogram of its own."""

    def initialize(self, args):
        """Make the metrics, which every instance of the model shares by their labels."""
        labels = {"model": args["model_name"], "version": args["model_version"]}
        # A family must live as long as its metrics.
        self._families = {
            kind: pb_utils.MetricFamily(name=name, description=description, kind=kind)
            for kind, name, description in (
                (pb_utils.MetricFamily.COUNTER, "requests_seen", "Requests seen so far"),
                (pb_utils.MetricFamily.GAUGE, "last_batch_size", "Requests of the last batch"),
                (pb_utils.MetricFamily.HISTOGRAM, "values_seen", "Greatest value of each request"),
            )
        }
        self._requests = self._families[pb_utils.MetricFamily.COUNTER].Metric(labels=labels)
        self._last_batch = self._families[pb_utils.MetricFamily.GAUGE].Metric(labels=labels)
        self._values = self._families[pb_utils.MetricFamily.HISTOGRAM].Metric(
            labels=labels, buckets=[0.0, 1.0, 10.0]
        )

    def execute(self, requests):
        """Count, and return the input of each request."""
        self._last_batch.set(len(requests))
        responses = []
        for request in requests:
            values = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            self._requests.increment(1)
            self._values.observe(float(values.max()))
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", values)]))
        return responses
