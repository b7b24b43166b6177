"""What is wrong with the lines of a table or the records of a document, gathered for a single error at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from headstart.errors import DataError, Problem
from headstart.files import some


@dataclass
class Faults:
    """What is wrong with the lines of a table, gathered rule by rule, for a single error at the end."""

    remedies: Mapping[str, str]
    """Each rule that a line must keep, and what to do where one does not."""
    whole: Collection[str] = ()
    """Rules of which every line that breaks them is named; of the others the first ten are."""
    unit: str = "line"
    """What is counted: lines, or records of a document."""
    _found: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def none_in(self, line: int, checks: Mapping[str, tuple[bool, str]]) -> bool:
        """Whether a line keeps every rule of ``checks``: rule → (whether it is kept, what was found)."""
        bad = [rule for rule, (holds, _) in checks.items() if not holds]
        for rule in bad:
            self._found.setdefault(rule, []).append((line, checks[rule][1]))
        return not bad

    def tell(self, what: str) -> None:
        """Raise DataError with every fault that was gathered, if there is any."""
        problems = [
            Problem(expected=rule, found=self._listed(rule), todo=todo)
            for rule, todo in self.remedies.items()
            if rule in self._found
        ]
        if problems:
            raise DataError(what, problems)

    def _listed(self, rule: str) -> str:
        found = self._found[rule]
        if len(found) > 10 and rule in self.whole and len({text for _, text in found}) == 1:
            return f"{self.unit}s {_ranges([line for line, _ in found])}: {found[0][1]}"
        lines = [f"{self.unit} {line}: {text}" for line, text in found]
        return some(lines, len(lines) if rule in self.whole else 10)


def _ranges(numbers: list[int]) -> str:
    """Rising numbers, those that follow each other as “2-5”."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)
