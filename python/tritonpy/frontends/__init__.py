"""What carries the V2 protocol to clients."""
