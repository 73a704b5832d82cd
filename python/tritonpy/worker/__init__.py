"""What runs inside a Python model's worker process: any CPython 3.9+ with numpy, nothing else."""
