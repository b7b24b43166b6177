"""What checking the pictures found, as sections of a page: suspicious pictures, shortcuts, poor pictures, the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headstart.audit import shortcuts
from headstart.audit.findings import Findings
from headstart.audit.shortcuts import Shortcut
from headstart.files import below
from headstart.report.pictures import (
    folder_lines,
    label_lines,
    mixed_sentence,
    shortcut_sentence,
    showing_little,
    suspect_reasons,
)
from headstart.report.section import Section, Table, Thumbnail, percent, text
from headstart.report.words import counted

MOST_SHOWN = 150
MOST_POOR = 30

Show = Callable[[int, str], Thumbnail]
"""Position of a picture and the words under it → the picture, small."""


def sections(findings: Findings, show: Show, *, most: int = MOST_SHOWN, folder: bool = True) -> tuple[Section, ...]:
    """The sections, each left out where there is nothing to say.

    ``most`` suspicious pictures are shown; the whole list is expected in review.csv beside the page. ``folder`` is
    False on a page that says elsewhere what the audit found.
    """
    parts = [_suspects(findings, show, most), _shortcuts(findings), _poor(findings, show)]
    if findings.alarms:  # then nothing else matters as much
        parts.insert(0, parts.pop(1))
    parts.append(_folder(findings) if folder else None)
    return tuple(part for part in parts if part is not None)


def lede(findings: Findings) -> tuple[str, ...]:
    """The answer in a few plain sentences; alarms (`headstart.report.alarms`) go before it."""
    n, doubted, lines = len(findings.images), len(findings.suspects), label_lines(findings)
    if odd := findings.out_of_place:
        lines.append(f"{counted(odd, 'picture does', 'pictures do')} not look like the others.")
    if doubted:
        lines.insert(0, f"Of {counted(n, 'picture')}, {doubted} {'is' if doubted == 1 else 'are'} worth a look.")
    elif not lines:
        lines.append(f"None of the {n:,} pictures looks mislabelled or out of place.")
    return tuple(lines) if findings.alarms else (*lines, "No fact about the files gives the class away.")


def todo(review: str, command: str) -> Section:
    """What to do next: fill in the file ``review`` and run ``command``."""
    return Section(
        id="todo", title="What to do with it", sentences=(text("todo", review=review), command, text("todo-done"))
    )


def _suspects(findings: Findings, show: Show, most: int) -> Section | None:
    images, suspects = findings.images, findings.suspects
    if not suspects:
        return None
    shown = []
    for rank, suspect in enumerate(suspects[:most], 1):
        given = images.classes[images.y[suspect.index]]
        heading = f"{rank}. {given} → {suspect.suggested}?" if suspect.suggested else f"{rank}. {given}?"
        words = [heading, *suspect_reasons(findings, suspect), below(images.root, images.paths[suspect.index])]
        shown.append(show(suspect.index, "\n".join(words)))
    sentences = ["The most suspicious come first. Many will turn out to be right: look before you decide."]
    sentences += label_lines(findings)
    if more := len(suspects) - min(most, len(suspects)):
        sentences.append(f"{more} more {'is' if more == 1 else 'are'} in review.csv.")
    return Section(
        id="suspicious",
        title="Pictures to look at",
        aside="Under each: the label it has, the one it may deserve, and why.",
        sentences=tuple(sentences),
        thumbnails=tuple(shown),
        method=text("suspicious"),
    )


def _shortcuts(findings: Findings) -> Section | None:
    tried, classes = findings.shortcuts, findings.images.classes
    if not tried:
        return None
    none = "None of these facts, alone, tells the classes apart well enough to worry."
    return Section(
        id="shortcuts",
        title="Can the class be guessed without looking?",
        aside="A network takes the easiest way: if the file gives the class away, it need not look at the picture.",
        sentences=tuple(shortcut_sentence(alarm, classes) for alarm in findings.alarms) or (none,),
        table=Table(
            about="Facts that were tried",
            columns=("fact", "tells most of", "recognised", "others mistaken", "effect", "alarm from", ""),
            rows=tuple(_cells(shortcut, classes) for shortcut in tried),
            numbers=(2, 3, 4, 5),
            marked=tuple(i for i, shortcut in enumerate(tried) if shortcut.alarm),
        ),
        method=text("shortcuts", shortcuts=shortcuts),
    )


def _cells(shortcut: Shortcut, classes: Sequence[str]) -> tuple[str, ...]:
    """The row of a fact in the table of those that were tried."""
    told = classes[shortcut.label], percent(shortcut.recognised, 0), percent(shortcut.mistaken, 0)
    if shortcut.effect <= 0:
        told = "none", "", ""
    effect, alarm = max(shortcut.effect, 0), "alarm" if shortcut.alarm else ""
    return (shortcut.fact, *told, f"{effect:.2f}", f"{shortcut.needed:.2f}", alarm)


def _poor(findings: Findings, show: Show) -> Section | None:
    words, images = showing_little(findings), findings.images
    if not words:
        return None
    shown = [show(i, f"{why}\n{below(images.root, images.paths[i])}") for i, why in list(words.items())[:MOST_POOR]]
    hidden = len(words) - len(shown)
    shows = "shows" if len(words) == 1 else "show"
    rest = f"; {hidden} {'is' if hidden == 1 else 'are'} not shown." if hidden else "."
    return Section(
        id="poor",
        title="Pictures that show little",
        aside="Blank, tiny, blurred, or grey among coloured ones.",
        sentences=(f"{len(words)} of {counted(len(images), 'picture')} {shows} little{rest}",),
        thumbnails=tuple(shown),
    )


def _folder(findings: Findings) -> Section | None:
    items = (*folder_lines(findings.audit), *([mixed_sentence(findings.mixed)] if findings.mixed else []))
    return Section(id="folder", title="The folder", items=items) if items else None
