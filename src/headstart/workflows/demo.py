"""The pictures of ``headstart demo``: simulated photographs of fabric, with and without defects.

2,000 pictures of 250 × 250 pixels in three classes (nominal 1,000, local defect 500, global defect 500), MIT licence,
from the package ``conformal-clip-data`` (Megahed et al. 2025). A local defect is a speck of a few pixels, so the input
size and the depth of the features matter, and the demo shows them being chosen by measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headstart.errors import MissingPackageError
from headstart.files import write_csv
from headstart.output_folder import check_files

TAKEN = 0.6
"""Which part of each class `headstart demo` takes, the first in string order: what two cores are done with in less than
45 s."""


def pictures() -> Path:
    """The folder of demo pictures, with one folder per class."""
    try:
        from conformal_clip_data import textile_simulated_root
    except ImportError as error:
        raise MissingPackageError("conformal-clip-data", "the demo", 'pip install "headstart[demo]"') from error
    return Path(textile_simulated_root())


def write_table(file: Path) -> None:
    """Write which pictures `headstart demo` takes as a table to train on.

    Raises:
        OptionError: ``file`` is there and was not written by this.
    """
    folder = pictures()
    file.parent.mkdir(parents=True, exist_ok=True)
    check_files({"-o": file}, {"-o": folder.name})
    write_csv(file, ("path", "label"), _rows(folder))


def _rows(folder: Path) -> Iterator[tuple[Path, str]]:
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(class_folder.iterdir())
        for path in files[: round(TAKEN * len(files))]:
            yield path, class_folder.name
