"""Files that may come from anywhere are opened inside their folder only, and only if they can be what they should."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from headstart import untrusted
from headstart.untrusted import file_in, leads_out, not_finite, read_json, read_tensors, sha256_in


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "Expecting property name"),
        (b'{"a": 1, "b": {"c": 2, "c": 3}}', "'c' given twice"),
        (b'{"a": NaN}', "NaN, which is no number"),
        (b'{"a": [-Infinity]}', "-Infinity, which is no number"),
        (b"[" * 200_000, "lists in lists, nested too deep"),
        (b"9" * 5000, "Exceeds the limit"),
        ('{"a": "é"}'.encode("latin-1"), "can't decode"),
        ('{"a": 1}'.encode("utf-16"), "can't decode"),
        (b"{} {}", "Extra data"),
        (b"", "Expecting value"),
    ],
)
def test_json_that_may_mean_anything_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(ValueError, match=said):
        read_json(tmp_path, "a.json")


def test_json_is_read_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, "é"]}', encoding="utf-8")
    assert read_json(tmp_path, "a.json") == {"a": [1, "é"]}
    (tmp_path / "b.json").write_text("[NaN, -Infinity]")
    assert str(read_json(tmp_path, "b.json", undefined=True)) == "[nan, -inf]"
    monkeypatch.setattr(untrusted, "MOST_JSON", 10)
    with pytest.raises(ValueError, match=r"^16 bytes, more than 10$"):
        read_json(tmp_path, "a.json")


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "b/../../a", ".."])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    assert leads_out(name)
    with pytest.raises(ValueError, match=r"^a path that leads out of the folder$"):
        file_in(tmp_path, name)


@pytest.mark.parametrize("name", ["none", "a\0b", "x" * 5000, "\ud800"])
def test_a_name_of_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"no such file|no file that can be read"):
        file_in(tmp_path, name)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are POSIX's")
def test_links_out_pipes_folders_and_devices_are_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_text("{}")
    (folder / "inside").write_text("{}")
    for name, target in (("out", "../outside"), ("in", "inside"), ("itself", "itself"), ("device", "/dev/zero")):
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")
    assert file_in(folder, "in").read_text() == "{}"
    assert sha256_in(folder, "pipe") == sha256_in(folder, "sub") == "no regular file"
    assert sha256_in(folder, "out") == sha256_in(folder, "device") == "a path that leads out of the folder"
    assert sha256_in(folder, "itself").startswith("no ")
    assert len(sha256_in(folder, "inside")) == 64


def test_arrays_are_those_of_the_format_and_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, a = tmp_path / "a.safetensors", np.arange(6, dtype=np.float32).reshape(2, 3)
    save_file({"a": a, "b": np.arange(2)}, path)
    read = read_tensors(tmp_path, path.name)
    np.testing.assert_array_equal(read["a"], a)
    assert not_finite(read) == []
    whole = path.read_bytes()
    for data in (
        b"",
        whole[:-1],
        whole + b"x",
        struct.pack("<Q", 2**62) + whole[8:],
        whole.replace(b"[2,3]", b"[9,3]"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="SafetensorError"):
            read_tensors(tmp_path, path.name)
    save_file({"a": np.array([1, np.nan], np.float32), "b": np.array([np.inf])}, path)
    with pytest.raises(ValueError, match=r"^numbers that are not finite in a, b$"):
        read_tensors(tmp_path, path.name)
    monkeypatch.setattr(untrusted, "MOST_TENSORS", 1)
    with pytest.raises(ValueError, match=r"^2 arrays, more than 1$"):
        read_tensors(tmp_path, path.name)


def test_text_is_read_as_a_file_is() -> None:
    assert untrusted.parsed_json('{"a": [1, 2.5]}') == {"a": [1, 2.5]}
    for text in ("", '{"a": 1, "a": 2}', "[NaN]", "[" * 100_000):
        with pytest.raises(ValueError, match=r"Expecting|twice|no number|nested"):
            untrusted.parsed_json(text)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says how much memory is used")
def test_no_more_memory_is_taken_than_a_file_may(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    monkeypatch.setattr(untrusted, "MOST_MEMORY", 1 << 28)
    with untrusted.bounded_memory(1000):
        np.ones(1 << 20)
        with pytest.raises(MemoryError):
            np.ones(1 << 30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
