from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import sources
from headstart.cache_folder import entries
from headstart.errors import DataError
from headstart.images.archives import safe_name
from headstart.images.folder import scan


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refused(source: Path, cache: Path) -> str:
    with pytest.raises(DataError) as caught:
        scan(source)
    assert not cache.exists() or entries(cache) == [], "nothing is written"
    return str(caught.value)


def linked(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_names_that_lead_out_links_and_twins_are_all_named_and_nothing_is_written(
    tmp_path: Path, empty_cache: Path
) -> None:
    source = sources.zipped(tmp_path / "a", sources.drawn())
    with zipfile.ZipFile(source, "a") as archive:
        for name in ("../out.png", "/abs.png", "C:\\x.png", "a\\..\\..\\y.png", "n" * 300, "same.png"):
            archive.writestr(name, b"x")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("same.png", b"x")
        archive.writestr(linked("link.png"), "/etc/passwd")
        archive.writestr("photos/train", b"a file and a folder")
    text = refused(source, empty_cache)
    for found in (
        "expected: no entry that is of a path with .. in it\n   found: ../out.png, a",
        "expected: no entry that is of an absolute path\n   found: /abs.png, C:",
        "expected: no entry that is of an impossible name\n   found: nnn",
        "expected: no entry that is a link or device\n   found: link.png\n",
        "expected: no entry that is named twice, or both a file and a folder\n   found: same.png",
    ):
        assert found in text
    assert not (tmp_path / "out.png").exists()


def test_a_compressed_tar_that_is_damaged_is_said_to_be(tmp_path: Path, empty_cache: Path) -> None:
    source = sources.tarred(tmp_path / "a", sources.drawn())
    data = source.read_bytes()
    for changed in (data[:-6] + bytes(6), data[: len(data) // 2]):
        source.write_bytes(changed)
        assert "expected: an archive that can be read to its end" in refused(source, empty_cache)


def test_links_and_devices_of_a_tar_are_named(tmp_path: Path, empty_cache: Path) -> None:
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as archive:
        for name, kind in (
            ("s", tarfile.SYMTYPE),
            ("h", tarfile.LNKTYPE),
            ("d", tarfile.CHRTYPE),
            ("f", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert "found: s, h, d, f\n" in refused(tmp_path / "t.tar.gz", empty_cache)


def test_bombs_are_refused_by_total_ratio_and_count(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.images.archives._SMALL", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/0.png", bytes(4 << 20))
    assert "files that are at most 100 times as large as the archive" in refused(tmp_path / "bomb.zip", empty_cache)
    with tarfile.open(tmp_path / "bomb.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("a/0.png")
        info.size = 4 << 20
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    assert "times as large" in refused(tmp_path / "bomb.tgz", empty_cache)
    source = sources.zipped(tmp_path / "many", sources.drawn())
    with monkeypatch.context() as patch:
        patch.setattr("headstart.images.archives.MOST_FILES", 3)
        assert "expected: at most 3 files" in refused(source, empty_cache)
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0000005")
    assert "GB of files, which the cache holds" in refused(source, empty_cache)


def test_a_declared_size_that_is_too_small_writes_no_more(tmp_path: Path, empty_cache: Path) -> None:
    source = sources.zipped(tmp_path / "a", sources.drawn())
    data = source.read_bytes()
    at = data.index(b"PK\x01\x02")
    small = data[: at + 24] + (1).to_bytes(4, "little") + data[at + 28 :]  # the size in the central directory
    source.write_bytes(small)
    assert "expected: an archive that can be read to its end" in refused(source, empty_cache)


@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize("writer", [sources.zipped, sources.tarred])
def test_archives_that_are_cut_off_or_empty_are_said(
    tmp_path: Path, empty_cache: Path, keep: float, writer: sources.Writer
) -> None:
    source = writer(tmp_path / "a", sources.drawn())
    source.write_bytes(source.read_bytes()[: int(keep * source.stat().st_size)])
    assert "1 problem" in refused(source, empty_cache)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(DataError, match="at least two classes"):
        scan(tmp_path / "empty.zip")


def test_labels_in_an_archive_open_nothing_outside(tmp_path: Path, empty_cache: Path) -> None:
    """A table in a zip that names files of the machine: none is opened, and all are named."""
    secret = sources.put(tmp_path, "secret.png", sources.drawn()[0].data)
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for each in sources.drawn():
            archive.writestr(f"files/{each.name}", each.data)
        rows = [f"files/{each.name},{each.label}" for each in sources.drawn()]
        rows += [f"{secret},cat", "../../../../../../../../../../etc/hostname,cat"]
        archive.writestr("table.csv", "\n".join(["path,label", *rows]))
    with pytest.raises(DataError) as caught:
        scan(tmp_path / "t.zip")
    assert f"line 12: {secret} leads out of the source, line 13: ../../" in str(caught.value)


def test_what_was_unpacked_is_used_again_and_unpacked_anew_when_it_is_damaged(
    tmp_path: Path, empty_cache: Path
) -> None:
    from headstart.images import unpacked

    source = sources.zipped(tmp_path / "a", sources.drawn())
    first = scan(source)
    stamps = {path: path.stat().st_mtime_ns for path in first.paths}
    assert [entry.is_held() for entry in entries(empty_cache)] == [True]
    unpacked._holds.clear()
    assert {path: path.stat().st_mtime_ns for path in scan(source).paths} == stamps
    unpacked._holds.clear()
    first.paths[0].write_bytes(b"spoilt")
    first.paths[1].unlink()
    again = scan(source)
    assert again.digests == first.digests
    assert [again.name_of(path) for path in again.paths] == [first.name_of(path) for path in first.paths]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a/b.png", "a/b.png"), ("./a//b", "a/b"), ("a\\b", "a/b"), ("..", ""), ("/a", ""), ("c:x", ""), ("a\0b", "")],
)
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name)[0] == safe
    assert bool(safe_name(name)[1]) == (not safe)


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_damage_inside_a_compressed_tar_is_no_fault_of_the_disk(tmp_path: Path, empty_cache: Path, mode: str) -> None:
    file = tmp_path / f"photos.tar.{mode}"
    noise = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
    with tarfile.open(file, f"w:{mode}") as tar:  # type: ignore[call-overload]
        for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
            info = tarfile.TarInfo(name)
            info.size = len(noise)
            tar.addfile(info, io.BytesIO(noise))
    data = bytearray(file.read_bytes())
    for at in (len(data) // 2, len(data) - 6):  # of the stream, and of the sum at its end
        damaged = bytearray(data)
        damaged[at] ^= 0x55
        file.write_bytes(damaged)
        said = refused(file, empty_cache)
        assert "expected: an archive that can be read to its end" in said
        assert "to do: fetch" in said
