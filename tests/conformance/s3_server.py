"""An S3 on this machine: moto's server on a free port, and a bucket to put models into."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import boto3
from moto.server import ThreadedMotoServer

# What moto takes for anybody; the server under test gets them as Triton's users give them.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class S3Server:
    """A context manager. `bucket` is there from the start."""

    bucket = "models"

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.host = "{}:{}".format(*self._server.get_host_and_port())
        self._client = boto3.client(
            "s3",
            endpoint_url=f"http://{self.host}",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        )
        self._client.create_bucket(Bucket=self.bucket)

    def url(self, prefix: str) -> str:
        """Return what a server is told to serve from."""
        return f"s3://{self.host}/{self.bucket}/{prefix}"

    def put(self, key: str, content: bytes) -> None:
        """Write one object."""
        self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def remove(self, prefix: str) -> None:
        """Remove all objects below a prefix."""
        found = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        for one in found.get("Contents", ()):
            self._client.delete_object(Bucket=self.bucket, Key=one["Key"])

    def upload(self, directory: Path, prefix: str) -> None:
        """Write a directory of models; an empty directory becomes a marker, as consoles do."""
        for path in sorted(directory.rglob("*")):
            key = f"{prefix}/{path.relative_to(directory)}"
            if path.is_file():
                self.put(key, path.read_bytes())
            elif not any(path.iterdir()):
                self.put(f"{key}/", b"")

    def __enter__(self) -> S3Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()
