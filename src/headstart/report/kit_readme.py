"""What the README of a kit says to whoever receives it."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.deploy.kit import Target, Wheel, least_glibc, runs_zipped
from headstart.report.model_card import plain_text

_README = """\
# {name}

A model that classifies pictures, with everything that it needs to run on a machine without a network.
It is for Python {python} on {platform}{glibc}. Nothing else has to be installed, and nothing is asked of a network.

```
{python_command} KIT check               # are all parts as they were packed
{python_command} KIT install FOLDER      # installs into a new folder, and answers the golden pictures there
{folder}classify PICTURES                # files, and folders with all that is in them
{folder}classify PICTURES -o answers.csv
```

{kit} The golden pictures are pictures drawn by formula, and what the model answered for them when it was packed:
`install` leaves a folder behind only where it answers them here as it did there. `{verify}` asks them again.

{answers}

`check` finds damage. Whether it is the kit that was sent to you, tells the fingerprint that `check` shows: compare it
with the one that `headstart pack` showed. To remove what was installed, delete FOLDER.

## What is in it

| package | version | licence |
|---|---|---|
{packages}

The texts of the licences are in the wheels. The wheels are those of the package index that this was packed with;
`requirements.txt` has their hashes, without which pip installs none.
"""
_ZIP = "`KIT` is this folder, or the zip that it came in, as it is."
_LARGE = "`KIT` is this folder: Python runs no zip of more than 2 GB, so what came as one is unpacked first."
_SMALL = """\
Answers are the most probable class and its calibrated probability; `unsure`, where answers as uncertain as this are
wrong more often than others; `unfamiliar`, where the picture is not like those the model was trained on. The table has
a row for every picture, in order, also for one that cannot be read, with the reason. `model.onnx` is the model with its
preprocessing inside; `classify.py` asks it."""
_FULL = """\
This is all of headstart, with those of its optional parts that were installed where it was packed:
`FOLDER/env/bin/headstart --help` says what else it does, such as training."""


def readme(name: str, target: Target, wheels: Sequence[Wheel], *, full: bool) -> str:
    """The text, Markdown."""
    windows = target.platform.sys_platform == "win32"
    packages = "\n".join(f"| {w.name} | {w.version} | {plain_text(w.licence) or 'it does not say'} |" for w in wheels)
    minor = least_glibc(wheels)
    folder = "FOLDER\\" if windows else "FOLDER/"
    return _README.format(
        name=plain_text(name),
        python=target.python,
        platform=target.platform.name,
        glibc=f" with glibc 2.{minor} or newer (`ldd --version` says it)" if minor else "",
        python_command=f"py -{target.python}" if windows else f"python{target.python}",
        folder=folder,
        verify=f"{folder}env/bin/headstart verify {folder}model" if full else f"{folder}classify --verify",
        kit=_ZIP if runs_zipped(wheels) else _LARGE,
        answers=_FULL if full else _SMALL,
        packages=packages,
    )
