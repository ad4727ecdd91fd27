"""What a feature accepts: what becomes of a missing value, which values are allowed.

What a sample holds is no contract: a customer older than any in it is no mistake. So ranges and categories are only
observed, unless a person says ``enforce``, or the model itself fails on a value it has not seen, which no caller should
have to find out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.registry.intake.columns import LISTED, Column
from app.registry.intake.options import IntakeRefused, Options
from app.registry.intake.probe import Probe, Row
from app.registry.manifest import Feature, Missing

_UNSEEN = "\N{REPLACEMENT CHARACTER} unseen"


class Policies:
    """Decides for every column in turn, and keeps a note of what nobody asked for.

    ``row`` is one that the model takes, None where none is known; ``words`` are those a text column may hold besides
    what the sample shows.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        options: Options,
        probe: Probe,
        row: Row | None,
        words: Mapping[str, Sequence[str]],
    ) -> None:
        self._columns = columns
        self._options = options
        self._row = row
        self._words = words
        self._probe = probe
        lenient = [replace(item.feature(), missing="nan") if _holds_nan(item) else item.feature() for item in columns]
        self._lenient = probe.with_features(lenient)
        self.notes: list[str] = []

    def features(self) -> tuple[Feature, ...]:
        """The features as the manifest will have them.

        Raises:
            IntakeRefused: a policy was asked for that a feature cannot have.
        """
        return tuple(self._with_limits(column, self._with_policy(column)) for column in self._columns)

    def _with_policy(self, column: Column) -> Feature:
        feature = column.feature()
        wanted = _asked_for(column, self._options)
        if wanted is None and column.has_gaps and not column.slot.shape:
            wanted = "nan" if self._answers_nan(column) else "impute"
            self.notes.append(_gap_note(column, wanted))
        if wanted == "impute":
            return replace(feature, missing="impute", impute=_fill(column))
        return feature if wanted is None else replace(feature, missing=wanted)

    def _answers_nan(self, column: Column) -> bool:
        if self._row is None or not _holds_nan(column):
            return False
        return self._lenient.takes({**self._row, column.name: None})

    def _with_limits(self, column: Column, feature: Feature) -> Feature:
        if column.slot.shape:
            return feature
        if self._options.enforce and column.present:
            return _enforced(column, feature)
        known = self._known_values(column)
        if not known:
            return feature
        self.notes.append(
            f"'{column.name}' takes only the {len(known)} values that the model knows: it fails on any other."
        )
        return replace(feature, categories=known)

    def _known_values(self, column: Column) -> tuple[Any, ...]:
        """The values a model takes when it fails on one it has not seen; empty when it takes that one too."""
        unseen = _unseen(column)
        if self._row is None or unseen is None or self._probe.takes({**self._row, column.name: unseen}):
            return ()
        candidates = sorted({*column.present, *self._words.get(column.name, ())})
        return tuple(value for value in candidates if self._probe.takes({**self._row, column.name: value}))


def _holds_nan(column: Column) -> bool:
    return column.slot.dtype.startswith("float") and not column.slot.shape


def _asked_for(column: Column, options: Options) -> Missing | None:
    told = options.missing.get(column.name)
    if told == "nan" and not _holds_nan(column):
        raise IntakeRefused(f"'{column.name}' is of {column.slot.dtype}, which has no NaN; choose reject or impute.")
    if told is None and options.missing_default == "nan" and not _holds_nan(column):
        return "impute" if column.has_gaps else None
    return told or options.missing_default


def _fill(column: Column) -> Any:
    if column.fill is None:
        raise IntakeRefused(
            f"Missing values of '{column.name}' cannot be filled in: no sample shows a value. Give one with --sample,"
            " or choose reject or nan."
        )
    return column.fill


def _gap_note(column: Column, policy: Missing) -> str:
    gaps = len(column.values) - len(column.present)
    does = "is passed on as NaN, which the model answers" if policy == "nan" else f"becomes {column.fill!r}"
    return (
        f"'{column.name}' is empty in {gaps} rows of the sample: a missing value {does}."
        f" Say --missing {column.name}=reject, nan or impute to decide otherwise."
    )


def _unseen(column: Column) -> Any:
    """A value that is surely new to the model; None for a column of measurements, where new values are the rule."""
    if column.slot.dtype == "string":
        return _UNSEEN
    present = set(column.present)
    coded = column.is_number and 0 < len(present) <= LISTED and all(float(value).is_integer() for value in present)
    return max(present) + 1 if coded else None


def _enforced(column: Column, feature: Feature) -> Feature:
    if column.is_number:
        return replace(feature, range=(min(column.present), max(column.present)))
    distinct = sorted(set(column.present))
    listed = column.slot.dtype == "string" and len(distinct) <= LISTED
    return replace(feature, categories=tuple(distinct)) if listed else feature
