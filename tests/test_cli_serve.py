from __future__ import annotations

from pathlib import Path

import pytest
import requests

from command import typed
from headstart.cli import serve as module
from headstart.errors import MissingPackageError
from server import as_process, drawn


def test_it_says_where_it_listens_and_loads_no_torch(small_model: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a" * 20)
    with as_process(small_model, "--token-file", str(token), "--workers", "1") as (address, process):
        assert address.startswith("http://127.0.0.1:")
        assert requests.post(f"{address}/predict", drawn(1), timeout=60).status_code == 401
        headers = {"Authorization": f"Bearer {'a' * 20}"}
        assert requests.post(f"{address}/predict", drawn(1), headers=headers, timeout=60).status_code == 200
        maps = Path(f"/proc/{process.pid}/maps")
        if maps.exists():
            assert "libtorch" not in maps.read_text()


def test_what_is_wrong_is_an_error_with_exit_code_2(small_model: Path, tmp_path: Path) -> None:
    for words, expected in (
        ((small_model, "--host", "0.0.0.0"), "a token where other machines reach the server"),
        ((tmp_path,), "a model directory, or a run directory that holds one"),
        ((small_model, "--token-file", tmp_path / "none"), "a file whose only line is a token"),
    ):
        done = typed("serve", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"expected: {expected}" in done.stderr


def test_a_missing_package_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError) as error:
        module.serve(tmp_path)
    assert 'pip install "headstart[serve]"' in str(error.value).splitlines()[-1]
