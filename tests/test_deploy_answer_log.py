from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headstart.deploy.answer_log import AnswerLog
from headstart.errors import OptionError


def log_of(table: Path, key: str = "key", content: bytes | None = None) -> tuple[int, list[object]]:
    """How many rows a log takes over, and all of them after one more."""
    if content is not None:
        table.with_name(f".{table.name}.answers").write_bytes(content)
    with AnswerLog.beside(table, key) as log:
        taken = log.count
        log.write([{"row": "new"}])
        return taken, [row.get("row") for row in log.rows()]


def test_whole_lines_are_taken_over_and_what_was_cut_off_is_not(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    assert log_of(table) == (0, ["new"])
    assert not [*tmp_path.iterdir()]
    assert log_of(table, content=b'key\n{"row": 1}\n{"row": 2}\n{"row": 3') == (2, [1, 2, "new"])
    assert log_of(table, content=b'key\n{"row": 1}\n\0\0\0\0\n{"row": 3}\n') == (1, [1, "new"])  # lost its power
    assert log_of(table, content=b'key\n7\n{"row": 3}\n') == (0, ["new"])
    assert log_of(table, content=b'other key\n{"row": 1}\n') == (0, ["new"])
    assert log_of(table, content=b"") == (0, ["new"])


def test_rows_stay_where_the_block_ends_with_an_error(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"

    def cut_off() -> None:
        with AnswerLog.beside(table, "key") as log:
            log.write([{"row": "Łoś"}, {"row": 2}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cut_off()
    assert log_of(table) == (2, ["Łoś", 2, "new"])


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_two_processes_do_not_write_one_table(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    script = (
        "import sys; from pathlib import Path; from headstart.deploy.answer_log import AnswerLog\n"
        f"with AnswerLog.beside(Path({str(table)!r}), 'key'):\n    print('there', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "there\n"
        with pytest.raises(OptionError, match="another process that writes"), AnswerLog.beside(table, "key"):
            pass
        other.communicate("")
    assert log_of(table) == (0, ["new"])
