"""A folder in the layout of a model hub: a card of what was measured, the ONNX file, the model directory, a config."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from headstart.deploy.directory import find_model
from headstart.deploy.export import Exported
from headstart.deploy.manifest import Manifest
from headstart.errors import DataError
from headstart.evaluation.intervals import Estimate
from headstart.files import plain, write_bytes, write_json, write_text
from headstart.output_folder import claim, refuse_unsafe
from headstart.report.model_card import ClassFigures, Figures, model_card
from headstart.untrusted import read_json

KIND = "hub export"
CARD, MODEL, CONFIG, DIRECTORY = "README.md", "model.onnx", "config.json", "model"
METRICS, RUN = "metrics.json", "run.json"


def refuse(folder: Path) -> None:
    """Raise OptionError where ``folder`` holds anything but an earlier hub export."""
    refuse_unsafe(None, folder, what=KIND, writes=[CARD, MODEL, CONFIG, DIRECTORY])


def write(exported: Exported, run: Path, folder: Path, name: str) -> list[Path]:
    """Write the files, whose paths are returned; ``name`` is that of the model. Raises DataError."""
    model, figures = find_model(run), read_figures(run)
    claim(folder, KIND)
    write_text(folder / CARD, model_card(name, exported.manifest, figures))
    write_bytes(folder / MODEL, exported.content)
    write_json(folder / CONFIG, config(exported.manifest))
    shutil.rmtree(folder / DIRECTORY, ignore_errors=True)
    shutil.copytree(model, folder / DIRECTORY)
    return [folder / each for each in (CARD, MODEL, CONFIG)] + sorted(
        path for path in (folder / DIRECTORY).rglob("*") if path.is_file()
    )


def config(manifest: Manifest) -> dict[str, Any]:
    """What programs ask of a model first, under the names that hubs use."""
    names = dict(enumerate(manifest.classes))
    return {
        "architecture": manifest.backbone.get("architecture"),
        "num_classes": len(names),
        "id2label": {str(i): name for i, name in names.items()},
        "label2id": {name: i for i, name in names.items()},
        **plain(manifest, "geometry", "pixels", "temperature", "sure_from", "unfamiliar_above", "precision", "sha256"),
    }


def read_figures(run: Path) -> Figures | None:
    """What was measured of a run; None of a model folder without one. Raises DataError where it is damaged."""
    if not (run / METRICS).is_file():
        return None
    try:
        found = read_json(run, METRICS, undefined=True)
        alarms = read_json(run, RUN)["alarms"] if (run / RUN).is_file() else []
        abstention = found["abstention"] or {}
        sure, unfamiliar = abstention.get("sure"), abstention.get("unfamiliar")
        return Figures(
            measured_on=str(found["measured_on"]),
            majority=str(found["majority"]),
            **{part: _estimate(found[part]) for part in ("accuracy", "majority_baseline", "log_loss", "ece")},
            per_class=tuple(
                ClassFigures(
                    name=str(each["name"]),
                    precision=_estimate(each["precision"]),
                    recall=_estimate(each["recall"]),
                    support=int(each["support"]),
                )
                for each in found["per_class"]
            ),
            sure=(_estimate(sure["share"]), _estimate(sure["accuracy"])) if sure else None,
            unfamiliar=_estimate(unfamiliar) if unfamiliar else None,
            alarms=tuple(str(alarm) for alarm in alarms),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected, found_is = "the figures of a run", f"{type(error).__name__}: {error}"
        todo = "train again, or export from the model folder alone, without figures"
        raise DataError.of(f"{run / METRICS} is damaged", expected=expected, found=found_is, todo=todo) from error


def _estimate(found: Any) -> Estimate:
    """From what metrics.json has of it, where what has no meaning is null."""
    value, low, high = (
        float("nan") if found[each] is None else float(found[each]) for each in ("value", "low", "high")
    )
    return Estimate(value=value, low=low, high=high, n=int(found["n"]), method=str(found["method"]))
