"""What `headstart check` begins with: the pictures are read, and the network is made ready.

The rest of the verb is in `headstart.workflows.check`. To load all that it needs takes about as long as to make the
network ready for the first time: whoever is in a hurry loads it in the block of `begun`, while that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart import output_folder
from headstart.device import single_blas
from headstart.features.cluster import connected
from headstart.features.table import Workbench
from headstart.images.folder import ImageSet
from headstart.images.formats.given import Given, Source
from headstart.images.formats.reading import picture_folders
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.progress import Progress

PAGE, LIST = "review.html", "review.csv"


@contextmanager
def begun(
    source: Source,
    folder: Path,
    options: FitOptions,
    *,
    tell: Callable[[ImageSet], None] = lambda images: None,
    progress: Progress | None = None,
    engine: str | None = None,
) -> Iterator[tuple[ImageSet, Workbench]]:
    """The pictures of ``source``, and a workbench on which the network is made ready while the block runs.

    ``folder`` is where results are to be written. ``tell`` is given the pictures as they were understood, before
    anything is computed of them. ``engine``: where features are computed, see `cluster.connected`.

    Raises:
        OptionError: the folder lies among the pictures; an option has no meaning.
        DataError: with everything that keeps the pictures from being read.
    """
    given = Given.of(source)
    pictures = picture_folders(given)
    output_folder.refuse_unsafe(given.path, folder, what="review", writes=(PAGE, LIST), pictures=pictures)
    with connected(engine) as computing, Workbench.of(options, progress, computing) as bench:
        images = read(given, options.group_by, bench.progress)
        tell(images)
        bench.begin((options.sizes or bench.network.backbone.sizes)[0])
        with single_blas():
            yield images, bench
