"""A folder of results whose states follow each other: a reader, and a kill at any instant, finds one of them whole.

While states may still follow, every name in the folder is a link through one link to the files of one state::

    model        -> .state/model          run.json -> .state/run.json          …
    .state       -> .states/2
    .states/2/      the files

Renaming a new link over ``.state`` replaces them all at one instant, as Kubernetes replaces the files of a mounted
configuration (``AtomicWriter`` of kubelet). A state that was replaced stays until the next one is, for readers that
have begun. In the end files and links change places, which alters nothing that a reader sees, and the folder is an
ordinary one. Where a system has no links, names are replaced one after the other, the last of them last.

The folder is locked from the first state to the last: of two runs at once the later one is refused.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headstart.errors import OptionError
from headstart.exchange import exchange
from headstart.files import display

if sys.platform != "win32":
    import fcntl

CURRENT, STATES = ".state", ".states"


class States:
    """The states of ``folder``, which exists; ``names`` are all that a state may hold, the most telling one last."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, names
        self._kept = folder / STATES
        self._lock: int | None = None
        self._is_ours = False

    def __del__(self) -> None:
        self._unlock()

    @contextmanager
    def next(self) -> Iterator[Path]:
        """A new folder to write a state into, which is shown when the block is left without an error.

        Raises:
            OptionError: another run has begun to write into the folder and is not done.
        """
        self._take_lock()
        self._is_ours = True
        self._sweep()
        number = max((int(path.name) for path in self._kept.glob("*") if path.name.isdecimal()), default=0) + 1
        new = self._kept / str(number)
        new.mkdir(parents=True)
        try:
            yield new
            if _has_links(new):
                self._show(new)
            else:
                self._replace(new)
        except BaseException:
            if self._shown() != new:
                shutil.rmtree(new, ignore_errors=True)
            raise

    def settle(self) -> None:
        """No further state follows: make the folder an ordinary one, in which nothing else remains of the states.

        Nothing is done where this run has written none.
        """
        if not self._is_ours:
            return
        if (shown := self._shown()) is not None:
            for name in self.names:
                if (self.folder / name).is_symlink() and (shown / name).exists():
                    exchange(shown / name, self.folder / name)
                    (shown / name).unlink()
            (self.folder / CURRENT).unlink()
        shutil.rmtree(self._kept, ignore_errors=True)
        self._unlock()

    def _take_lock(self) -> None:
        """Lock the folder for this run; some network drives, and Windows, cannot."""
        if sys.platform == "win32" or self._lock is not None:
            return
        self._lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._unlock()
            expected, found = "a folder that no other run is writing", f"{display(self.folder)}, which one is writing"
            todo = "wait until that is done, or choose another folder with -o"
            raise OptionError.of("where to write the run", expected=expected, found=found, todo=todo) from error
        except OSError:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _show(self, new: Path) -> None:
        """Let every name of the folder stand for what it is in ``new``."""
        self._take_in()
        self._link(Path(STATES) / new.name, self.folder / CURRENT)
        for name in self.names:
            place = self.folder / name
            if not (new / name).exists():
                place.unlink(missing_ok=True)
            elif not place.is_symlink():
                self._link(Path(CURRENT) / name, place)

    def _take_in(self) -> None:
        """Let what an earlier run left change places with links to it, name by name: the files become a state."""
        there = [name for name in self.names if (self.folder / name).exists() and not (self.folder / name).is_symlink()]
        if there and self._shown() is None:
            (self._kept / "0").mkdir()
            self._link(Path(STATES) / "0", self.folder / CURRENT)
        for name in there:
            self._link(Path(CURRENT) / name, self.folder / CURRENT / name)
            exchange(self.folder / CURRENT / name, self.folder / name)

    def _link(self, target: Path, place: Path) -> None:
        """Let ``place`` be a link to ``target``, at one instant, whatever file or link it was."""
        new = self._kept / f"{place.name}.link"
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(place)

    def _replace(self, new: Path) -> None:
        """The same without links, name by name."""
        for name in self.names:
            place = self.folder / name
            if (new / name).exists() and place.exists():
                exchange(new / name, place)
            elif (new / name).exists():
                (new / name).rename(place)
            elif place.exists():
                place.rename(new / name)
        shutil.rmtree(new, ignore_errors=True)

    def _shown(self) -> Path | None:
        """The folder of the state that is shown; None where the folder is an ordinary one."""
        link = self.folder / CURRENT
        return self.folder / link.readlink() if link.is_symlink() else None

    def _sweep(self) -> None:
        """Remove all states but the one that is shown: what was killed while it was written, and what is past."""
        shown = self._shown()
        for path in self._kept.glob("*"):
            if path != shown:
                shutil.rmtree(path, ignore_errors=True)


def _has_links(folder: Path) -> bool:
    """Whether links can be made in ``folder``. On Windows few have the right to make them."""
    probe = folder / "link"
    try:
        probe.symlink_to("nowhere")
    except (OSError, NotImplementedError):
        return False
    probe.unlink()
    return os.name == "posix"
