"""The main path, from labelled images to a model and an honest number. Read this first.

`states` is the path: a sequence of improvements, each a complete classifier with an honest figure, the first after the
cheapest of them. `fit` goes to its end, and `doubt` questions what came out. All compute on a `Workbench`, opened and
closed once, and return frozen records: nothing in them is changed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from headstart.abstain.abstention import abstention_of
from headstart.abstain.costs import read_costs
from headstart.audit.alignment import MINIATURE
from headstart.audit.duplicates import Deduplicated, deduplicate, find_duplicates
from headstart.audit.findings import Findings, inspect
from headstart.audit.leak import Leak, measure_leak
from headstart.audit.summary import Audit, audit
from headstart.backbones.space import NetworkSpec
from headstart.claims.colour_baseline import COLOURS
from headstart.claims.measured import Measurement, measure_fit
from headstart.claims.worth import Worth, measure_worth
from headstart.deploy.fitted import assemble
from headstart.deploy.model import Model
from headstart.deploy.reference import Reference
from headstart.device import single_blas
from headstart.features.extract import Engine
from headstart.features.table import FeatureTable, Workbench
from headstart.finetune.trial import Selection, frozen, selections
from headstart.images.facts import FACTS
from headstart.images.folder import ImageSet
from headstart.options import FitOptions
from headstart.probe.choice import Choice, first, widen
from headstart.probe.rounding import Rounding, settled
from headstart.probe.trials import ProbeOptions
from headstart.progress import Progress

State = Literal["first", "sizes", "finetuned"]
"""The first answer, at the base size; after larger sizes were looked at; after fine-tuning was."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A complete state: everything that `states` has found out so far."""

    state: State
    """The last improvement that was looked at, whether or not it is used."""
    options: FitOptions
    network: NetworkSpec
    """The pretrained network it began with, in the precision that was settled."""
    rounding: Rounding | None
    """Why it computes in 8 bits or does not; None where that was not asked."""
    images: ImageSet
    """Those used, and those left out with the reason."""
    audit: Audit
    """What counting and hashing the images found."""
    deduplicated: Deduplicated
    """The copies among them, and what was done so that no figure profits from them."""
    choice: Choice
    """The head that was chosen on frozen rows, and every candidate that was looked at."""
    selection: Selection
    """Whether that head or a fine-tuned network is used, and why."""
    evaluations: tuple[Measurement, ...]
    """All that can be claimed of it, the figure to be quoted first; empty where it was not asked for."""
    model: Model
    """What is used, ready to predict and to be saved."""
    reference: Reference | None
    """What is remembered of the training images beside the model; None where nothing was measured."""
    timings: Mapping[str, float]
    """Seconds by stage."""


@dataclass(frozen=True, kw_only=True)
class Doubts:
    """What may be wrong with the images, and what the figure is worth."""

    findings: Findings
    leak: Leak | None
    """What copies would have added to the accuracy; None without copies."""
    worth: Worth


NOTES = (FACTS, MINIATURE, COLOURS)
"""What copies, doubts and claims need of each picture beside its features, taken in the same pass over the files."""


@contextmanager
def workbench(
    options: FitOptions, progress: Progress | None = None, engine: Engine | None = None
) -> Iterator[Workbench]:
    """A workbench for the network that ``options`` name, and BLAS on one thread while it is used.

    Raises OptionError or WeightsError if there is none.
    """
    with single_blas(), Workbench.of(options, progress, engine) as bench:
        yield bench


def fit(images: ImageSet, options: FitOptions, bench: Workbench, *, evaluate: bool = True) -> Fitted:
    """The last of `states`: a classifier of ``images``, chosen, trained and measured."""
    *_, last = states(images, options, bench, evaluate=evaluate)
    return last


def states(images: ImageSet, options: FitOptions, bench: Workbench, *, evaluate: bool = True) -> Iterator[Fitted]:
    """Classifiers of ``images``, each complete, from the first answer to the best, as far as ``options.until`` says.

    What comes next is begun when the next state is asked for. A state of which only the reasons are new, because an
    improvement was not begun, has the model and the measurements of the one before. Raises DataError where too few of
    a class can be read.
    """
    clock = bench.clock
    probe = ProbeOptions.of(options, bench.network.backbone)
    # what is wrong with the costs is said before any work
    costs = None if options.cost is None else read_costs(Path(options.cost), images.classes)

    # ── features at the base size; what cannot be decoded is listed and left out ────────────────────────────────
    with bench.timed("features"):
        table = FeatureTable(images, bench).levelled()
        table, rounding = settled(table, images.in_split("train"), probe, notes=NOTES)
        table, network = table.readable(probe.sizes[0], NOTES), table.bench.network

    # ── copies: no fold tears them apart, and none is trained on of what is tested on ───────────────────────────
    with bench.timed("looking for copies"):
        deduplicated = deduplicate(find_duplicates(table, probe.sizes[0]))
        images, table = deduplicated.images, table.of(deduplicated.images)
        train, summary = images.in_split("train"), audit(images)

    def complete(state: State, choice: Choice, selection: Selection) -> Fitted:
        """The model of ``selection``, what can be claimed of it, and what is remembered of its images."""
        with bench.timed("learning when not to answer"):
            abstention = abstention_of(table, choice, selection, costs, seed=probe.seed)
        with bench.timed("evaluation"):
            evaluations = measure_fit(table, choice, selection, abstention, probe) if evaluate else ()
        how = {"random_state": probe.seed, "head": str(choice.candidate), "strength": choice.strength}
        how["fine_tuned"] = selection.fine_tuned
        return Fitted(
            state=state,
            options=options,
            network=network,
            rounding=rounding,
            images=images,
            audit=summary,
            deduplicated=deduplicated,
            choice=choice,
            selection=selection,
            evaluations=evaluations,
            model=assemble(images, network, selection, how, abstention),
            reference=Reference.of(table, choice, selection, evaluations[0], seed=probe.seed) if evaluations else None,
            timings=dict(clock.seconds),
        )

    # ── the first answer: a head at the base size, chosen by cross-validation inside the training images ────────
    with bench.timed("choosing the head"):
        choice = first(table, train, probe)
    yield (fitted := complete("first", choice, frozen(table, choice)))

    # ── larger sizes, while errors are left that they could remove ──────────────────────────────────────────────
    for size in probe.sizes[1:] if options.until != "first" else ():
        with bench.timed(f"looking at {size} pixels"):
            before, choice = choice, widen(choice, table, train, probe, size, deadline=clock.deadline)
        if choice.trails is before.trails:
            fitted = replace(fitted, state="sizes", choice=choice)
        else:
            fitted = complete("sizes", choice, frozen(table, choice))
        yield fitted

    # ── a fine-tuned network instead, if it is better on images held out of the training images ─────────────────
    if options.finetune == "never" or options.until in ("first", "sizes"):
        return
    steps = selections(table, train, choice, probe, network, options.finetune, deadline=clock.deadline)
    while True:
        with bench.timed("fine-tuning"):
            if (selection := next(steps, None)) is None:
                return
        if selection.fine_tuned:
            fitted = complete("finetuned", choice, selection)
        else:
            fitted = replace(fitted, state="finetuned", selection=selection)
        yield fitted


def doubt(fitted: Fitted, bench: Workbench) -> Doubts:
    """Question what `fit` found, and the figure that is quoted first. The same `Fitted` gives the same answers."""
    findings, leak = doubt_images(fitted, bench)
    table, probe = _table(fitted, bench), ProbeOptions.of(fitted.options, fitted.network.backbone)
    worth = measure_worth(table, fitted.choice, fitted.evaluations[0], probe)
    return Doubts(findings=findings, leak=leak, worth=worth)


def doubt_images(fitted: Fitted, bench: Workbench) -> tuple[Findings, Leak | None]:
    """What may be wrong with the images, and what their copies would have added to the accuracy."""
    table, probe = _table(fitted, bench), ProbeOptions.of(fitted.options, fitted.network.backbone)
    with bench.timed("checking the pictures"):
        findings = inspect(table, fitted.choice, probe, fitted.audit, fitted.deduplicated)
        return findings, measure_leak(table, fitted.deduplicated, fitted.choice, probe)


def _table(fitted: Fitted, bench: Workbench) -> FeatureTable:
    """Rows of the images of ``fitted``, of the network that it was fitted with."""
    return FeatureTable(fitted.images, bench if bench.network == fitted.network else bench.unrounded())
