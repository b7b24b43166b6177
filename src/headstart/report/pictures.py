"""What was found about the pictures, in plain sentences: the folder, copies and their worth, doubts, decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from headstart.audit import shortcuts
from headstart.audit.decisions import Applied
from headstart.audit.duplicates import MOST_COMPARED, CopyPair, Deduplicated
from headstart.audit.findings import Findings, MixedSizes, Poor, Suspect
from headstart.audit.leak import Leak
from headstart.audit.shortcuts import Shortcut
from headstart.audit.summary import Audit
from headstart.files import below, display, some
from headstart.images.folder import ImageSet
from headstart.report.words import counted, level_lines, magnitude

EXAMPLES = 3
"""Pictures named in a sentence."""

_POOR = {
    "blank": "blank: one colour nearly all over",
    "tiny": "tiny: {width} × {height} pixels",
    "blurred": "blurred: far less sharp than the others",
}
_LEARNT = "A network may learn it in place of what is in the picture."
_IN_ONE_GO = "Each class seems to have been taken in one go, so light or place may be learned in place of the subject."
_OF_THE_SUBJECT = (
    "If that is how the pictures were made and not what they show, a network may learn it in place of the subject."
)
_RISK = {
    **dict.fromkeys((shortcuts.NUMBER, shortcuts.DATE), _IN_ONE_GO),
    **dict.fromkeys(shortcuts.OF_THE_SUBJECT, _OF_THE_SUBJECT),
}


# ---------------------------------------------------------------- the folder


def folder_lines(audit: Audit) -> list[str]:
    """What counting and comparing bytes found, a sentence each; none when there is nothing to say."""
    across, within = audit.duplicates_across, audit.duplicates_within
    kinds = {
        "Same picture under different labels ({}): {}. At least one of the labels is wrong.": audit.conflicting,
        "Same picture in more than one split ({}): {}. What is measured on it looks better than it is.": across,
        "Group in more than one split ({}): {}. The splits are not independent, so what is measured looks better than "
        "it is.": audit.groups_across,
        "Same picture more than once in a split ({}): {}. Cross-validation keeps such copies in one fold.": within,
    }
    lines = [
        said.format(len(together), some([_together(audit.root, paths) for paths in together], EXAMPLES))
        for said, together in kinds.items()
        if together
    ]
    if audit.left_out:
        names = [f"{below(audit.root, left.path)} ({left.reason})" for left in audit.left_out]
        lines.append(f"Left out ({len(names)}): {some(names, EXAMPLES)}. Nothing was put in their place.")
    if audit.uneven:
        train = audit.counts["train"]
        large, small = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
        lines.append(
            f"Classes are uneven: {train[large]} pictures of {large}, {train[small]} of {small}. "
            "Trust balanced accuracy more than accuracy."
        )
    return lines


def _together(root: Path | None, paths: Sequence[Path]) -> str:
    return "[" + some(sorted(below(root, path) for path in paths), EXAMPLES) + "]"


# ---------------------------------------------------------------- copies


def copy_lines(deduplicated: Deduplicated) -> list[str]:
    """What was done about copies, a sentence each; none when there is nothing to say."""
    copies, images = deduplicated.copies, deduplicated.copies.images
    near = [pair for pair in copies.pairs if pair.kind == "near"]
    lines = []
    if dropped := len(deduplicated.dropped):
        splits = images.split[deduplicated.copied].tolist()
        of = " and ".join(f"{splits.count(split)} in {split}" for split in ("test", "val") if split in splits)
        who = "a training picture that is a copy" if dropped == 1 else "training pictures that are copies"
        lines.append(
            f"Copies across splits ({dropped}): {who} of {of} {'is' if dropped == 1 else 'are'} not trained on, so "
            "that nothing is tested that was learned by heart."
        )
        if 2 * dropped > (train := int(images.train_counts.sum())):
            lines.append(
                f"That is most of the training set: {train - dropped:,} of {counted(train, 'picture')} are left. "
                "Put all pictures of a scene into one split to train on more."
            )
    if any(copies.across_splits(p) and "train" not in (images.split[p.first], images.split[p.second]) for p in near):
        lines.append("Near copies lie in both the validation and the test split, so the two are not independent.")
    if inside := [pair for pair in near if not copies.across_splits(pair)]:
        lines.append(f"Near copies within a split ({len(inside)}): {_pairs(images, inside)}. No fold tears them apart.")
    if conflicting := [pair for pair in near if copies.across_labels(pair)]:
        lines.append(
            f"Near copies under different labels ({len(conflicting)}): {_pairs(images, conflicting)}. "
            "At least one of the labels may be wrong."
        )
    if copies.series:
        lines.append(
            f"{sum(map(len, copies.series))} pictures look alike without being copies of each other, as those of one "
            "scene or one machine do, so they count as separate. If they belong together, name what they share with "
            "--group-by."
        )
    if left := copies.uncompared:
        lines.append(
            f"So many pictures are alike that only the nearest were compared, {MOST_COMPARED:,} pairs: copies may be "
            f"left among {counted(left, 'more pair')}."
        )
    return lines


def _pairs(images: ImageSet, pairs: Sequence[CopyPair]) -> str:
    names = [_together(images.root, [images.paths[pair.first], images.paths[pair.second]]) for pair in pairs]
    return some(names, EXAMPLES)


def leak_sentence(leak: Leak) -> str:
    """What learning from copies was worth, and whether that is more than chance."""
    real = leak.optimism.low > 0 or leak.optimism.high < 0
    sure = "That is a real difference." if real else "It cannot be told from zero."
    value, low, high = magnitude(leak.optimism.value, leak.optimism.low, leak.optimism.high)
    was = "cost" if leak.optimism.value < 0 else "was worth"
    pictures = f"{leak.copied} of {counted(leak.optimism.n, 'picture')}"
    if leak.split == "folds":
        have = "has" if leak.copied == 1 else "have"
        what = f"{pictures} {have} a near copy. Had folds torn the copies apart"
    else:
        what = f"{pictures} of {leak.split} had a copy in training. Trained on them"
    return (
        f"{what}, the accuracy of the head on frozen features would have been {leak.leaky:.1%}; it is "
        f"{leak.deduplicated:.1%} without. The leak {was} {value} points (95 % "
        f"interval {low} to {high}). {sure}"
    )


# ---------------------------------------------------------------- doubts


def finding_lines(findings: Findings) -> list[str]:
    """Everything that was found but alarms (`headstart.report.alarms`), a sentence each, the most serious first."""
    lines = folder_lines(findings.audit)
    lines += label_lines(findings)
    if odd := findings.out_of_place:
        belong = "it belongs" if odd == 1 else "they belong"
        lines.append(f"Pictures unlike the others: {odd}. See whether {belong} here.")
    for kind, count in Counter(picture.kind for picture in findings.poor).most_common():
        lines.append(f"Pictures that are {kind}: {count}.")
    if findings.grey:
        lines.append(f"Grey pictures among coloured ones: {len(findings.grey)}.")
    lines += [mixed_sentence(findings.mixed)] if findings.mixed else []
    return lines + level_lines(findings.images)


def label_lines(findings: Findings) -> list[str]:
    """How many pictures are worth a look for their label, and how many labels are wrong; none where all is well."""
    wrong, doubted = findings.wrong_labels, findings.mislabelled
    look = f"{counted(doubted, 'picture looks', 'pictures look')} like another class"
    look += " and is worth a look" if doubted == 1 else " and are worth a look"
    if wrong.low > 0:
        claim = f"Between {wrong.low:,.0f} and {wrong.high:,.0f} of {wrong.n:,} labels are wrong"
        return [f"{claim} (estimated {wrong.value:,.0f})" + (f"; {look}." if doubted else ".")]
    if not doubted:
        return []
    # a copy under another label shows it, of its own pictures alone
    nothing = "nothing else" if any(suspect.copy is not None for suspect in findings.suspects) else "nothing"
    return [f"{look}; {nothing} shows that labels are wrong."]


def shortcut_sentence(shortcut: Shortcut, classes: Sequence[str]) -> str:
    """What a fact about the file tells of the class."""
    label = display(classes[shortcut.label])
    return (
        f"Shortcut: the {shortcut.fact} alone gives “{label}” away. It recognises {shortcut.recognised:.0%} of these "
        f"pictures and takes {shortcut.mistaken:.0%} of the others for them. {_RISK.get(shortcut.fact, _LEARNT)}"
    )


def mixed_sentence(mixed: MixedSizes) -> str:
    """How the sizes of the pictures differ."""
    small, large = (f"{width} × {height}" for width, height in (mixed.small, mixed.large))
    return (
        f"Sizes are mixed: from {small} to {large} pixels, the smallest and largest hundredth aside. Enlarged pictures "
        "look softer than reduced ones."
    )


def suspect_reasons(findings: Findings, suspect: Suspect) -> tuple[str, ...]:
    """Why a picture should be looked at, a few words each, the weightiest first."""
    images = findings.images
    reasons = [_POOR["blank"]] if suspect.blank else []
    if suspect.copy is not None:
        label, name = images.classes[images.y[suspect.copy]], display(images.paths[suspect.copy].name)
        reasons.append(f"the same picture is labelled “{label}”: {name}")
    if (like := suspect.looks_like) is not None:
        sure = "confidently" if like.confident else "rather"
        reasons.append(f"looks {sure} like “{images.classes[like.label]}” ({like.proba:.1%})")
    if suspect.unlike_others:
        reasons.append("unlike all the other pictures")
    return tuple(reasons) or ("somewhat unlike the others, and its label is in some doubt",)


def poor_reason(findings: Findings, picture: Poor) -> str:
    """Why a picture shows little."""
    facts = findings.facts.images[picture.index]
    width, height = (facts.width, facts.height) if facts else (0, 0)
    return _POOR[picture.kind].format(width=width, height=height)


def showing_little(findings: Findings) -> dict[int, str]:
    """Position → why, of every poor or grey picture."""
    reasons = {picture.index: poor_reason(findings, picture) for picture in findings.poor}
    return reasons | {i: "grey, where the others are in colour" for i in findings.grey if i not in reasons}


def review_reasons(findings: Findings) -> dict[int, tuple[str, ...]]:
    """Position → why, of every picture for the review list: suspects first, then those that show little."""
    reasons = {suspect.index: suspect_reasons(findings, suspect) for suspect in findings.suspects}
    for i, why in showing_little(findings).items():
        if why not in (known := reasons.get(i, ())):
            reasons[i] = (*known, why)
    return reasons


def applied_line(applied: Applied) -> str:
    """What carrying out the decisions changed."""
    return (
        f"{counted(applied.pictures, 'picture')} in {display(applied.table)}: {applied.relabelled} relabelled, "
        f"{applied.dropped} dropped"
    )
