"""A running server under load over real sockets: requests, latency, and CPU time per inference."""
