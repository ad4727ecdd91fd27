"""Features before the model was asked about them: names, places, and what the sample holds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from statistics import fmean, median
from typing import Any

from app.registry.intake.options import IntakeRefused, Options
from app.registry.intake.sample import Sample, typed
from app.registry.intake.slots import Slot, find_slots, name_slots
from app.registry.manifest import Feature
from app.runtimes.base import TensorSpec

LISTED = 50
"""A text column with more different values than this is free text: its values are counted, not listed."""


@dataclass(frozen=True, slots=True)
class Column:
    """A feature to be. ``values`` has one entry per row of the sample, None for a gap; it is empty without a sample."""

    name: str
    slot: Slot
    values: Sequence[Any] = ()

    @property
    def present(self) -> list[Any]:
        """What is no gap."""
        return [value for value in self.values if value is not None]

    @property
    def has_gaps(self) -> bool:
        """Whether a cell of the sample is empty."""
        return None in self.values

    @property
    def is_number(self) -> bool:
        """Numbers have a range; words and truth values have categories; lists have neither."""
        return not self.slot.shape and self.slot.dtype not in ("string", "bool")

    @property
    def fill(self) -> Any:
        """What stands in for a gap: the median of numbers, the commonest word; None where there is nothing to go by."""
        present = self.present
        if not present or self.slot.shape:
            return None
        if not self.is_number:
            return Counter(present).most_common(1)[0][0]
        middle = median(present)
        return round(middle) if "int" in self.slot.dtype else float(middle)

    def feature(self) -> Feature:
        """With the strictest policy: a value is needed."""
        observed = None if self.slot.shape else observe(self.values)
        return Feature(self.name, self.slot.dtype, self.slot.input, self.slot.shape, observed=observed)


def observe(values: Sequence[Any]) -> dict[str, Any] | None:
    """What a column of plain values holds, None for a gap: the range of numbers, how often each word occurs."""
    present = [value for value in values if value is not None]
    if not present:
        return None
    gaps = {"missing": len(values) - len(present)} if len(present) < len(values) else {}
    if not isinstance(present[0], str | bool):
        return {"min": min(present), "max": max(present), "mean": float(f"{fmean(present):.6g}")} | gaps
    counts = Counter(map(str, present))
    listed = {"counts": dict(sorted(counts.items()))} if len(counts) <= LISTED else {}
    return {"distinct": len(counts)} | listed | gaps


def find_columns(inputs: Sequence[TensorSpec], options: Options, sample: Sample | None) -> list[Column]:
    """Every feature the inputs want, in the order of the inputs.

    Raises:
        IntakeRefused: the names, the sample and the inputs do not fit together.
    """
    named = list(options.features) or (_candidates(options, sample) if sample is not None else [])
    slots = find_slots(inputs, named)
    names = name_slots(slots, named, in_order=bool(options.features))
    _check_policies(names, options)
    if sample is None:
        _check_no_sample_needed(options)
        return [Column(name, slot) for name, slot in zip(names, slots, strict=True)]
    _check_all_used(names, options, sample)
    return [Column(name, slot, typed(sample[name], name, slot)) for name, slot in zip(names, slots, strict=True)]


def _candidates(options: Options, sample: Sample) -> list[str]:
    """The sample's columns less those that a person has said are no features."""
    others = {options.entity_key, options.target, *options.ignore}
    return [name for name in sample if name not in others]


def _check_policies(names: Sequence[str], options: Options) -> None:
    strange = next((name for name in options.missing if name not in names), None)
    if strange is not None:
        near = get_close_matches(strange, names, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(list(names)[:20])}."
        raise IntakeRefused(f"--missing names '{strange}', which is no feature; {hint}")


def _check_no_sample_needed(options: Options) -> None:
    told = {"--target": options.target, "--ignore": options.ignore, "--enforce": options.enforce}
    useless = next((option for option, value in told.items() if value), None)
    if useless is not None:
        raise IntakeRefused(f"{useless} says something about a sample; give one with --sample.")


def _check_all_used(names: Sequence[str], options: Options, sample: Sample) -> None:
    absent = [name for name in names if name not in sample]
    if absent:
        raise IntakeRefused(f"The sample has no column '{absent[0]}'; it has {', '.join(list(sample)[:20])}.")
    for role, name in (("--target", options.target), *(("--ignore", name) for name in options.ignore)):
        if name is not None and name not in sample:
            raise IntakeRefused(f"{role} names '{name}', and the sample has no such column.")
    unused = [name for name in _candidates(options, sample) if name not in names]
    if unused:
        raise IntakeRefused(
            f"The sample's column '{unused[0]}' is no feature; say what it is with --target, --ignore or --entity-key."
        )
