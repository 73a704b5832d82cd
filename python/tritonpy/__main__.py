"""Lets `python -m tritonpy` be the same as `tritonpy`."""

import sys

from tritonpy.cli import main

if __name__ == "__main__":
    sys.exit(main())
