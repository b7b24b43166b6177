"""The part of a page that shows the copies: which pictures they are, what was done, and what they were worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headstart.audit import clusters as limits
from headstart.audit.alignment import COPY
from headstart.audit.duplicates import CopyPair, Deduplicated, Duplicates
from headstart.audit.leak import Leak
from headstart.files import below
from headstart.report.pictures import copy_lines, leak_sentence
from headstart.report.section import Section, Table, Thumbnail, text

MOST_SHOWN = 6  # pairs
MOST_LISTED = 200  # pairs


def duplicates(
    deduplicated: Deduplicated, leak: Leak | None, thumbnail: Callable[[int, str], Thumbnail]
) -> Section | None:
    """The section on copies; None if there are none.

    ``thumbnail(i, caption)`` draws the picture at position ``i`` of ``deduplicated.copies.images``.
    """
    copies = deduplicated.copies
    if not copies.clusters and not copies.series:
        return None
    telling = _most_telling(copies)
    return Section(
        id="copies",
        title="Are there copies among the pictures?",
        aside="Two neighbours at a time are one picture." if telling else "",
        sentences=(_summary(copies), *([leak_sentence(leak)] if leak else [])),
        items=tuple(copy_lines(deduplicated)),
        thumbnails=tuple(
            thumbnail(i, f"{name}\n{_what(copies, pair)}")
            for pair in telling[:MOST_SHOWN]
            for i, name in zip((pair.first, pair.second), _names(copies, pair), strict=True)
        ),
        table=_table(copies, telling) if telling else None,
        method=" ".join([text("copies", least=COPY, limits=limits), *([text("leak")] if leak else [])]),
    )


def _summary(copies: Duplicates) -> str:
    pictures, clusters = sum(map(len, copies.clusters)), len(copies.clusters)
    if not clusters:
        return "No copies were found; many pictures are alike."
    across = sum(len(set(copies.images.split[list(members)])) > 1 for members in copies.clusters)
    reach = "reaches" if across == 1 else "reach"
    crossing = f" {across} of them {reach} across splits." if across else ""
    share = pictures / len(copies.images)
    what = "One picture is there" if clusters == 1 else f"{clusters} pictures are there"
    return f"{what} more than once, {pictures} files in all ({share:.1%} of the pictures).{crossing}"


def _most_telling(copies: Duplicates) -> Sequence[CopyPair]:
    """Near pairs before exact ones, across labels first, then across splits; one of each cluster before the others."""
    cluster_of = copies.membership()
    seen: dict[int | None, int] = {}

    def order(pair: CopyPair) -> tuple[bool, bool, bool, float]:
        return (not copies.across_labels(pair), not copies.across_splits(pair), pair.kind == "exact", -pair.score)

    ranked = []
    for pair in sorted(copies.pairs, key=order):
        turn = seen[cluster_of[pair.first]] = seen.get(cluster_of[pair.first], -1) + 1
        ranked.append((turn, pair))
    return [pair for _, pair in sorted(ranked, key=lambda turn_and_pair: turn_and_pair[0])]


def _what(copies: Duplicates, pair: CopyPair) -> str:
    images = copies.images
    words = ["the same bytes" if pair.kind == "exact" else f"agrees by {pair.score:.2f}"]
    words += ["mirrored"] if pair.mirrored else []
    if copies.across_labels(pair):
        words.append(" and ".join(images.classes[images.y[i]] for i in (pair.first, pair.second)))
    if copies.across_splits(pair):
        words.append(" and ".join(str(images.split[i]) for i in (pair.first, pair.second)))
    return ", ".join(words)


def _names(copies: Duplicates, pair: CopyPair) -> tuple[str, str]:
    images = copies.images
    return below(images.root, images.paths[pair.first]), below(images.root, images.paths[pair.second])


def _table(copies: Duplicates, pairs: Sequence[CopyPair]) -> Table:
    shown = pairs[:MOST_LISTED]
    about = "All pairs of copies" if len(shown) == len(pairs) else f"The first {len(shown)} of {len(pairs)} pairs"
    return Table(
        about=about,
        columns=("picture", "copy", "what"),
        rows=tuple((*_names(copies, pair), _what(copies, pair)) for pair in shown),
        marked=tuple(row for row, pair in enumerate(shown) if copies.across_splits(pair) or copies.across_labels(pair)),
    )
