"""Model repositories in object stores: copied to this machine, and kept in step from there.

A `CloudMirror` keeps a directory in step with one remote repository; to everything else that
directory is a repository like any other.
"""

from tritonpy.repository.cloud.mirrors import Mirrors, open_mirrors

__all__ = ["Mirrors", "open_mirrors"]
