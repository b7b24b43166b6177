from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sources
from headstart.cache_folder import clear, entries
from headstart.deploy.model import Model
from headstart.errors import DataError, MissingPackageError
from headstart.images import remote, unpacked
from headstart.images.folder import scan
from headstart.options import FitOptions
from headstart.workflows.predict import PredictOptions, predict
from headstart.workflows.train import train
from test_images_formats_registry import trained_on

pytest.importorskip("s3fs", reason="headstart[remote]")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of S3 on loopback with the same pictures as folders and as a zip; the address of its bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="photos")
        for each in sources.drawn():
            client.put_object(Bucket="photos", Key=f"folder/{each.label}/{each.name}", Body=each.data)
        zipped = sources.zipped(tmp_path_factory.mktemp("zip"), sources.drawn())
        client.upload_file(str(zipped), "photos", "photos.zip")
        yield "s3://photos"
    server.stop()


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["folder", "photos.zip"])
def test_an_address_is_the_same_set_as_the_files(bucket: str, name: str, tmp_path: Path, empty_cache: Path) -> None:
    images = scan(f"{bucket}/{name}")
    assert trained_on(images) == trained_on(scan(sources.class_folders(tmp_path / "here", sources.drawn())))
    assert images.understood.source == f"{bucket}/{name}"
    assert {entry.kind for entry in entries(empty_cache)} == {"downloads"} | ({"unpacked"} if "zip" in name else set())
    assert images.root is not None
    assert images.root.is_relative_to(empty_cache)


def test_what_was_cut_off_goes_on(bucket: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch, count = remote._fetch, 0

    def cut(system: object, file: remote._Remote, entry: Path) -> None:
        nonlocal count
        count += 1
        if count == 4:
            (entry / "parts" / remote.digest(file.name)).write_bytes(system.cat_file(file.path)[:20])  # type: ignore[attr-defined]
            raise ConnectionError("the line was cut")
        fetch(system, file, entry)

    monkeypatch.setattr(remote, "_fetch", cut)
    with pytest.raises(DataError, match="ConnectionError: the line was cut"):
        scan(f"{bucket}/folder")
    (entry,) = entries(empty_cache)
    there = {path: path.stat().st_mtime_ns for path in (entry.path / "files").rglob("*.png")}
    assert len(there) == 3
    assert [part.stat().st_size for part in (entry.path / "parts").iterdir()] == [20]
    monkeypatch.setattr(remote, "_fetch", fetch)
    assert len(scan(f"{bucket}/folder")) == 10
    assert {path: path.stat().st_mtime_ns for path in there} == there, "what was there is not fetched again"


def test_damage_is_noticed_and_fetched_again(bucket: str, empty_cache: Path) -> None:
    first = trained_on(scan(f"{bucket}/folder"))
    (entry,) = entries(empty_cache)
    unpacked._holds.clear()
    spoilt = next((entry.path / "files").rglob("*.png"))
    spoilt.write_bytes(b"spoilt")
    assert trained_on(scan(f"{bucket}/folder")) == first
    unpacked._holds.clear()
    assert clear(empty_cache).refused == {}
    assert not (empty_cache / "downloads").exists()


def test_what_is_not_there_is_said(bucket: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="expected: an address that can be read\n   found: FileNotFoundError"):
        scan(f"{bucket}/nothing")
    with pytest.raises(DataError, match="an address that can be read"):
        scan("nosuch://bucket/photos")
    with pytest.raises(DataError, match=r"FileNotFoundError: http[^,]*, because of ClientConnectorError: "):
        scan("http://127.0.0.1:1/photos.zip")
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0000001")
    with pytest.raises(DataError, match="HEADSTART_CACHE_GB"):
        scan(f"{bucket}/folder")
    assert entries(empty_cache) == []


def test_a_model_is_trained_and_asked_from_an_address_though_the_line_was_cut(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = FitOptions(sizes=(224,), until="first")
    here = sources.class_folders(tmp_path / "here", sources.drawn())
    fetch, asked = remote._fetch, []

    def cut(system: object, file: remote._Remote, entry: Path) -> None:
        asked.append(file.name)
        if len(asked) == 3:
            raise ConnectionError("the line was cut")
        fetch(system, file, entry)

    monkeypatch.setattr(remote, "_fetch", cut)
    with pytest.raises(DataError, match="what has been fetched is kept, and the same command goes on"):
        train(f"{bucket}/folder", tmp_path / "run", options)
    train(f"{bucket}/folder", tmp_path / "run", options)
    train(here, tmp_path / "expected", options)
    trained, expected = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "model").iterdir() if path.is_file()}
        for name in ("run", "expected")
    )
    assert trained == expected
    model = Model.load(tmp_path / "run")
    rows = predict(model, [f"{bucket}/folder", f"{bucket}/photos.zip"], PredictOptions()).rows
    as_files = predict(model, [here], PredictOptions()).rows
    names = [f"{each.label}/{each.name}" for each in sources.drawn()]
    assert [row["path"] for row in rows] == [*names, *(f"photos/train/{name}" for name in names)]
    assert [row["label"] for row in rows] == [row["label"] for row in as_files] * 2


@pytest.mark.parametrize(
    ("scheme", "package", "command"),
    [("gs", "gcsfs", 'pip install "headstart[gcs]"'), ("abfs", "adlfs", "pip install adlfs")],
)
def test_a_store_whose_package_is_missing_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str, package: str, command: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=f"reading {scheme}:// needs the package {package}") as caught:
        remote.fetched(f"{scheme}://bucket/photos")
    assert command in str(caught.value)
