"""The pictures of ``headstart demo``: simulated photographs of fabric, with and without defects.

2,000 pictures of 250 × 250 pixels in three classes (nominal 1,000, local defect 500, global defect 500), MIT licence,
from the package ``conformal-clip-data`` (Megahed et al. 2025). A local defect is a speck of a few pixels, so the input
size and the depth of the features matter, and the demo shows them being chosen by measurement.
"""

from __future__ import annotations

from pathlib import Path

from headstart.errors import MissingPackageError


def pictures() -> Path:
    """The folder of demo pictures, with one folder per class."""
    try:
        from conformal_clip_data import textile_simulated_root
    except ImportError as error:
        raise MissingPackageError("conformal-clip-data", "the demo", 'pip install "headstart[demo]"') from error
    return Path(textile_simulated_root())
