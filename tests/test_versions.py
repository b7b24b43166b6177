from __future__ import annotations

import numpy as np

from headstart.versions import NOT_INSTALLED, version


def test_the_version_of_what_is_installed_and_of_what_is_not() -> None:
    assert version("numpy") == np.__version__
    assert version("no-such-package") == NOT_INSTALLED == "not installed"
