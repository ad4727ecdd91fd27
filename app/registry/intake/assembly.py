"""From an ONNX file to everything a version needs, in the order in which one thing can be known after another."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import InvalidInput, ModelFailed, ModelRefused
from app.registry.intake.candidate import load_candidate
from app.registry.intake.columns import Column, find_columns
from app.registry.intake.external import digests, read_external
from app.registry.intake.golden import alike, choose, golden_candidates, record_golden, spread
from app.registry.intake.graph import GraphFacts, read_graph
from app.registry.intake.options import IntakeRefused, Options
from app.registry.intake.policies import Policies
from app.registry.intake.probe import Probe, Row
from app.registry.intake.roles import Meaning, read_meaning
from app.registry.intake.sample import Sample
from app.registry.intake.synthetic import first_row, rows_the_model_takes
from app.registry.loading import RuntimeLoader
from app.registry.manifest import TAKEN, Manifest, Output
from app.registry.manifest_file import dump_manifest, parse_manifest
from app.registry.version import ServedVersion
from app.runtimes.base import Runtime
from app.tensors import Array

PROBED_ROWS = 200
"""Rows of a sample that the model is asked about."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What goes into the repository, and ``notes``: what was decided without being told."""

    manifest: Manifest
    model: bytes
    external: Mapping[str, bytes]
    notes: tuple[str, ...]


def take_in(model: bytes, folder: Path, options: Options, sample: Sample | None, load_runtime: RuntimeLoader) -> Intake:
    """Find out what the model is. ``folder`` is where its file lies, for weights in files of their own.

    Raises:
        IntakeRefused: file, sample and options do not make a model that can be served.
    """
    facts = read_graph(model)
    external = read_external(folder, facts.external)
    runtime = load_candidate(load_runtime, model, external)
    columns = find_columns(runtime.inputs, options, sample)
    draft = _draft(model, external, facts, runtime, columns, options)
    try:
        manifest, notes = _complete(draft, runtime, columns, options, facts)
    except (ModelRefused, InvalidInput) as error:
        raise IntakeRefused(str(error)) from None
    except ModelFailed as error:
        raise IntakeRefused(f"The model fails on what it should take: {error.reason}") from None
    return Intake(manifest, model, external, notes)


def _draft(
    model: bytes,
    external: Mapping[str, bytes],
    facts: GraphFacts,
    runtime: Runtime,
    columns: Sequence[Column],
    options: Options,
) -> Manifest:
    """All that is known before the model has been asked anything: outputs without meaning, features without limits."""
    made_by = f" (made by {facts.producer})" if facts.producer else ""
    return Manifest(
        name=options.name,
        version=options.version,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        source=options.source + made_by,
        sha256=hashlib.sha256(model).hexdigest(),
        task="raw",
        features=tuple(column.feature() for column in columns),
        outputs=tuple(Output(item.name, "raw") for item in runtime.outputs),
        description=options.description,
        external=digests(external) or None,
        labels=_labels(facts, runtime, options),
        entity_key=options.entity_key,
    )


def _complete(
    draft: Manifest, runtime: Runtime, columns: Sequence[Column], options: Options, facts: GraphFacts
) -> tuple[Manifest, tuple[str, ...]]:
    probe = Probe(draft, runtime)
    words = _words_of(columns, facts)
    rows = _sample_rows(columns, probe) or rows_the_model_takes(columns, list(words.values()), probe)
    arrays = probe.run(rows) if rows else {}
    _check_rows(arrays, len(rows))
    meaning = read_meaning(runtime.outputs, arrays, draft.labels, options)
    policies = Policies(columns, options, probe, rows[0] if rows else None, words)
    manifest = _with_meaning(replace(draft, features=policies.features()), meaning, options)
    candidates = golden_candidates(columns) or rows
    finished = _with_golden(manifest, runtime, candidates)
    unchecked = [] if finished.golden else [_unchecked_note(probe.fault(first_row(columns, list(words.values()))))]
    return finished, (*meaning.notes, *policies.notes, *unchecked)


def _labels(facts: GraphFacts, runtime: Runtime, options: Options) -> tuple[Any, ...]:
    """The file's own class labels, else those a person has named, as the label output (if any) writes them."""
    if facts.labels and options.labels and [str(label) for label in facts.labels] != list(options.labels):
        raise IntakeRefused(
            f"The file itself names its classes {', '.join(map(str, facts.labels))}; leave out --labels."
        )
    if facts.labels or not options.labels:
        return facts.labels
    if any(item.dtype == "string" for item in runtime.outputs):
        return options.labels
    whole = all(label.lstrip("-").isdigit() for label in options.labels)
    if not whole and any("int" in item.dtype for item in runtime.outputs):
        raise IntakeRefused("The model answers whole numbers as labels, so --labels must name whole numbers.")
    return tuple(int(label) for label in options.labels) if whole else options.labels


def _words_of(columns: Sequence[Column], facts: GraphFacts) -> dict[str, tuple[str, ...]]:
    """What each text column may hold: encoders stand in the file in the order of the columns, or nobody can tell."""
    texts = [column.name for column in columns if column.slot.dtype == "string" and not column.slot.shape]
    return dict(zip(texts, facts.words, strict=True)) if len(texts) == len(facts.words) else {}


def _sample_rows(columns: Sequence[Column], probe: Probe) -> list[Row]:
    """Rows spread over the sample, gaps filled, that get an answer together; empty without a sample.

    Raises:
        IntakeRefused: the model takes none of them.
    """
    rows = [row for row in spread(_filled_rows(columns), PROBED_ROWS) if None not in row.values()]
    try:
        if rows and all(np.isfinite(array).all() for array in _numbers(probe.run(rows))):
            return rows
    except (InvalidInput, ModelFailed):
        pass  # which row, and why, is found out one by one
    taken = [row for row in rows if probe.takes(row)]
    if rows and not taken:
        raise IntakeRefused(f"The model gives no answer for the rows of the sample: {probe.fault(rows[0])}")
    return alike(taken)


def _numbers(outputs: Mapping[str, Array]) -> list[Array]:
    return [array for array in outputs.values() if array.dtype.kind == "f"]


def _filled_rows(columns: Sequence[Column]) -> list[Row]:
    filled = [[column.fill if value is None else value for value in column.values] for column in columns]
    names = [column.name for column in columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*filled, strict=True)]


def _with_meaning(manifest: Manifest, meaning: Meaning, options: Options) -> Manifest:
    two_sided = meaning.has_shares and len(meaning.labels) == 2
    positive = meaning.labels[1] if two_sided else None
    if options.positive_label is not None:
        positive = next((label for label in meaning.labels if str(label) == options.positive_label), None)
        if positive is None or not meaning.has_shares:
            raise IntakeRefused(f"--positive must be one of the classes of probabilities: {_listed(meaning)}.")
    _check_probability_name(options, positive)
    return replace(
        manifest,
        task=meaning.task,
        outputs=tuple(Output(name, role) for name, role in meaning.roles.items()),
        labels=meaning.labels or manifest.labels,
        positive_label=positive,
        probability_name=options.probability_name,
    )


def _check_probability_name(options: Options, positive: Any) -> None:
    if options.probability_name is None:
        return
    if positive is None:
        raise IntakeRefused("--probability-name needs a model with probabilities of two classes, or --positive.")
    if options.probability_name in (*TAKEN, options.entity_key):
        raise IntakeRefused(
            f"--probability-name cannot be '{options.probability_name}': answers use that name already."
        )


def _listed(meaning: Meaning) -> str:
    return ", ".join(map(str, meaning.labels)) if meaning.has_shares else "this model has none"


def _with_golden(manifest: Manifest, runtime: Runtime, rows: Sequence[Row]) -> Manifest:
    """The manifest as it will be read back, with golden rows from those that get an answer.

    Raises:
        ModelRefused: the manifest is not valid.
        IntakeRefused: the outputs cannot be answered row by row in the roles they were given.
    """
    probe = Probe(manifest, runtime)
    good = choose([row for row in rows if probe.takes(row)])
    version = ServedVersion(manifest, runtime)
    if good:
        _check_answers(probe, version, alike(good))
    finished = replace(manifest, golden=record_golden(version, good))
    return parse_manifest(dump_manifest(finished))


def _unchecked_note(fault: str | None) -> str:
    reason = f" ({fault})" if fault else ""
    return f"No row was found that the model takes{reason}, so nothing checks its answers at start; see --sample."


def _check_answers(probe: Probe, version: ServedVersion, rows: Sequence[Row]) -> None:
    """Several rows in, as many answers out."""
    batch = [*rows, rows[0]]
    outputs = probe.run(batch)
    _check_rows(outputs, len(batch))
    try:
        version.interpreter.rows(outputs, "row {i}")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise IntakeRefused(f"The outputs do not fit their roles ({error}); see --role, --labels and --task.") from None


def _check_rows(outputs: Mapping[str, Array], rows: int) -> None:
    crooked = next((name for name, array in outputs.items() if array.shape[:1] != (rows,)), None)
    if crooked is not None:
        raise IntakeRefused(
            f"The output '{crooked}' has shape {outputs[crooked].shape} for {rows} rows: its first axis is"
            " not the row. Export the model with a batch axis on every output, or cut this one off"
            " (onnx.utils.extract_model)."
        )
