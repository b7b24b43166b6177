from __future__ import annotations

import subprocess
import sys

from headstart.backbones import pretrained


def test_records_are_read_without_torch_or_numpy() -> None:
    script = (
        "import sys; from headstart.backbones import pretrained; pretrained.all();"
        "print(sorted({'torch', 'timm', 'openvino', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_list_can_be_changed_without_changing_the_catalogue() -> None:
    first = pretrained.all()
    first.clear()
    assert len(pretrained.all()) == 14
