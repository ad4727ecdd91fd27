"""Tiny ONNX models for tests, each with one trait, written through ``Repository.add`` as any model is."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from app.registry.manifest import Feature, GoldenRow, Manifest, Output
from app.registry.repository import Repository

_FLOAT = TensorProto.FLOAT


@dataclass(frozen=True)
class TinyModel:
    """A manifest and the file it describes."""

    manifest: Manifest
    model: bytes

    def but(self, **changes: Any) -> "TinyModel":
        """The same with other words in its manifest."""
        return replace(self, manifest=replace(self.manifest, **changes))

    def golden(self, features: Mapping[str, Any], outputs: Mapping[str, Any]) -> "TinyModel":
        """The same with a golden row."""
        return self.but(golden=(GoldenRow(features, outputs),))

    def holding(self, model: bytes) -> "TinyModel":
        """The same manifest, with the right digest, over another file."""
        return replace(self, model=model).but(sha256=hashlib.sha256(model).hexdigest())

    def add(self, repository: Repository, external: Mapping[str, bytes] | None = None) -> Path:
        """Write it; the version's folder."""
        return repository.add(self.manifest, self.model, external or {})


def identity(width: int = 2, name: str = "identity", version: str = "v1") -> TinyModel:
    """Answers ``prediction``: the row itself. Features f0, f1, ..."""
    node = helper.make_node("Identity", ["X"], ["Y"])
    return _tiny(name, version, [node], _matrix("X", width), _matrix("Y", width), floats(width), task="raw")


def echo(datatype: str, name: str, version: str = "v1") -> TinyModel:
    """Answers the one value of a row, of any kind of number onnx knows: ``echo("FLOAT16", ...)``."""
    kind = getattr(TensorProto, datatype)
    places = [helper.make_tensor_value_info(place, kind, [None, 1]) for place in ("X", "Y")]
    names = {"FLOAT": "float32", "DOUBLE": "float64"}
    feature = Feature("x", names.get(datatype, datatype.lower()), "X")
    node = helper.make_node("Identity", ["X"], ["Y"])
    return _tiny(name, version, [node], places[:1], places[1:], (feature,), task="raw")


def linear(
    weights: Sequence[float] = (1.0, 2.0), bias: float = 0.5, name: str = "linear", version: str = "v1"
) -> TinyModel:
    """Answers the weighted sum, with a golden row of ones."""
    table = numpy_helper.from_array(np.array([weights], dtype=np.float32).T, "W")
    start = numpy_helper.from_array(np.array([bias], dtype=np.float32), "B")
    node = helper.make_node("Gemm", ["X", "W", "B"], ["Y"])
    width = len(weights)
    made = _tiny(name, version, [node], _matrix("X", width), _matrix("Y", 1), floats(width), tables=[table, start])
    return made.golden({item.name: 1.0 for item in made.manifest.features}, {"Y": [float(sum(weights) + bias)]})


def heavy(megabytes: float, name: str = "heavy", version: str = "v1", bias: float = 0.0) -> TinyModel:
    """Answers its number plus ``bias``. Quick, and that large: each answer reads one row of a table."""
    table = np.random.default_rng(7).standard_normal((int(megabytes * 250), 1000), dtype=np.float32)
    nodes = [
        helper.make_node("Mul", ["X", "zero"], ["first"]),
        helper.make_node("Cast", ["first"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["row"]),
        helper.make_node("Mul", ["row", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing", "axis"], ["still"], keepdims=0),
        helper.make_node("Add", ["X", "B"], ["moved"]),
        helper.make_node("Add", ["moved", "still"], ["Y"]),
    ]
    tables = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([2], dtype=np.int64), "axis"),
        numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"),
        numpy_helper.from_array(np.array([bias], dtype=np.float32), "B"),
    ]
    made = _tiny(name, version, nodes, _matrix("X", 1), _matrix("Y", 1), floats(1), tables=tables)
    return made.golden({"f0": 1.0}, {"Y": [1.0 + bias]})


def columns(name: str = "columns", version: str = "v1") -> TinyModel:
    """One input per column: ``city`` (string: Oslo 1, Bern 2, else 0) plus ``age`` (float)."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["city"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["Oslo", "Bern"],
            values_floats=[1.0, 2.0],
            default_float=0.0,
        ),
        helper.make_node("Add", ["code", "age"], ["Y"]),
    ]
    city = helper.make_tensor_value_info("city", TensorProto.STRING, [None, 1])
    features = (Feature("city", "string", "city", categories=("Oslo", "Bern")), Feature("age", "float32", "age"))
    return _tiny(name, version, nodes, [city, *_matrix("age", 1)], _matrix("Y", 1), features)


def square_root(name: str = "roots", version: str = "v1") -> TinyModel:
    """Answers NaN for a negative number."""
    node = helper.make_node("Sqrt", ["X"], ["Y"])
    return _tiny(name, version, [node], _matrix("X", 1), _matrix("Y", 1), floats(1))


def fragile(name: str = "fragile", version: str = "v1") -> TinyModel:
    """A look-up in a table of three: onnxruntime raises on any other index."""
    nodes = [
        helper.make_node("Cast", ["X"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["Y"]),
    ]
    table = numpy_helper.from_array(np.array([10, 20, 30], dtype=np.float32), "table")
    return _tiny(name, version, nodes, _matrix("X", 1), _matrix("Y", 1), floats(1), tables=[table])


def trap(name: str = "trap", version: str = "v1") -> TinyModel:
    """Answers f0 as it came; onnxruntime raises on the whole batch when any row's f1 is not 0."""
    nodes = [
        helper.make_node("Split", ["X"], ["number", "fuse"], axis=1),
        helper.make_node("Cast", ["fuse"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["nothing"]),
        helper.make_node("Add", ["number", "nothing"], ["Y"]),
    ]
    table = numpy_helper.from_array(np.zeros(1, dtype=np.float32), "table")
    made = _tiny(name, version, nodes, _matrix("X", 2), _matrix("Y", 1), floats(2), tables=[table])
    return made.but(golden=tuple(GoldenRow({"f0": number, "f1": 0}, {"Y": [number]}) for number in (3, 5)))


def slow(turns: int, name: str = "slow", version: str = "v1") -> TinyModel:
    """Multiplies 256 x 256 matrices ``turns`` times (some 0.1 to 1 ms each), then answers the row's number."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("MatMul", ["left", "left"], ["right"])],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("left", _FLOAT, [256, 256]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("right", _FLOAT, [256, 256]),
        ],
    )
    nodes = [
        helper.make_node("ReduceSum", ["X"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["zeros", "sum"], ["start"]),
        helper.make_node("Loop", ["turns", "", "start"], ["end"], body=body),
        helper.make_node("ReduceSum", ["end"], ["nothing"], keepdims=0),
        helper.make_node("Add", ["X", "nothing"], ["Y"]),
    ]
    tables = [
        numpy_helper.from_array(np.array(turns, dtype=np.int64), "turns"),
        numpy_helper.from_array(np.zeros((256, 256), dtype=np.float32), "zeros"),
    ]
    return _tiny(name, version, nodes, _matrix("X", 1), _matrix("Y", 1), floats(1), tables=tables)


def mixing(name: str = "mixing", version: str = "v1") -> TinyModel:
    """Answers how far a row is from the mean of all rows it came with."""
    nodes = [
        helper.make_node("ReduceMean", ["X"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["X", "mean"], ["Y"]),
    ]
    return _tiny(name, version, nodes, _matrix("X", 1), _matrix("Y", 1), floats(1))


def stretching(name: str = "stretching", version: str = "v1") -> TinyModel:
    """Answers the first ``f0`` columns of the row, ``f0`` being the largest among the rows: 1 to 3 numbers."""
    nodes = [
        helper.make_node("ReduceMax", ["X"], ["widest"], axes=[0], keepdims=0),
        helper.make_node("Gather", ["widest", "first"], ["end"]),
        helper.make_node("Cast", ["end"], ["stop"], to=TensorProto.INT64),
        helper.make_node("Slice", ["X", "first", "stop", "axis"], ["Y"]),
    ]
    tables = [
        numpy_helper.from_array(np.array([0], dtype=np.int64), "first"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
    ]
    answer = [helper.make_tensor_value_info("Y", _FLOAT, [None, None])]
    return _tiny(name, version, nodes, _matrix("X", 3), answer, floats(3), tables=tables, task="raw")


def everything(name: str = "everything", version: str = "v1") -> TinyModel:
    """Each kind of feature and policy at once; answers the sum of its numbers. ``customer_id`` is echoed."""
    nodes = [
        helper.make_node("IsNaN", ["X"], ["absent"]),
        helper.make_node("Where", ["absent", "zero", "X"], ["known"]),
        helper.make_node("ReduceSum", ["known", "axis"], ["sum"]),
        helper.make_node("Cast", ["N"], ["counted"], to=_FLOAT),
        helper.make_node("Add", ["sum", "counted"], ["Y"]),
        helper.make_node("Concat", ["city", "note"], ["T"], axis=1),
    ]
    tables = [
        numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
    ]
    text = [helper.make_tensor_value_info(name, TensorProto.STRING, [None, 1]) for name in ("city", "note")]
    count = helper.make_tensor_value_info("N", TensorProto.INT64, [None, 1])
    words = helper.make_tensor_value_info("T", TensorProto.STRING, [None, 2])
    features = (
        Feature("age", "float32", "X", range=(0.0, 120.0)),
        Feature("income", "float32", "X", missing="impute", impute=1000.0),
        Feature("score", "float32", "X", missing="nan"),
        Feature("visits", "int32", "X", range=(0.0, None)),
        Feature("member", "bool", "X"),
        Feature("count", "int64", "N"),
        Feature("city", "string", "city", categories=("Oslo", "Bern")),
        Feature("note", "string", "note", missing="impute", impute="none"),
    )
    inputs = [*_matrix("X", 5), count, *text]
    made = _tiny(name, version, nodes, inputs, [*_matrix("Y", 1), words], features, tables=tables)
    return made.but(entity_key="customer_id")


def image(name: str = "image", version: str = "v1") -> TinyModel:
    """One feature ``pixels`` of shape 2x3; answers their sum."""
    pixels = helper.make_tensor_value_info("pixels", _FLOAT, [None, 2, 3])
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("ReduceSum", ["flat", "axis"], ["Y"]),
    ]
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    feature = Feature("pixels", "float32", "pixels", shape=(2, 3), range=(0.0, 1.0))
    return _tiny(name, version, nodes, [pixels], _matrix("Y", 1), (feature,), tables=[axis])


def masked(name: str = "masked", version: str = "v1") -> TinyModel:
    """``ids`` and a ``mask`` as long as they are; answers the sum of the ids that it leaves."""
    places = [helper.make_tensor_value_info(place, _FLOAT, ["batch", "sequence"]) for place in ("ids", "mask")]
    nodes = [
        helper.make_node("Mul", ["ids", "mask"], ["left"]),
        helper.make_node("ReduceSum", ["left", "axis"], ["Y"]),
    ]
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    features = tuple(Feature(place, "float32", place, shape=(None,)) for place in ("ids", "mask"))
    return _tiny(name, version, nodes, places, _matrix("Y", 1), features, tables=[axis])


def external(location: str, name: str = "external", version: str = "v1") -> TinyModel:
    """Adds four weights that the file says lie in another file."""
    weights = TensorProto(name="W", data_type=_FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=location)
    node = helper.make_node("Add", ["X", "W"], ["Y"])
    return _tiny(name, version, [node], _matrix("X", 4), _matrix("Y", 4), floats(4), tables=[weights], task="raw")


def weighty(side: int = 2560, layers: int = 4, name: str = "weighty", version: str = "v1") -> TinyModel:
    """Answers the row's one number, through ``layers`` matrices of ``side`` x ``side``: 25 MiB each as it comes."""
    into, out = np.zeros((1, side), dtype=np.float32), np.zeros((side, 1), dtype=np.float32)
    into[0, 0] = out[0, 0] = 1
    places = ["X", *(f"h{at}" for at in range(layers + 1)), "Y"]
    weights = [into, *(np.eye(side, dtype=np.float32) for _ in range(layers)), out]
    tables = [numpy_helper.from_array(table, f"W{at}") for at, table in enumerate(weights)]
    nodes = [
        helper.make_node("MatMul", [before, table.name], [after])
        for before, table, after in zip(places, tables, places[1:], strict=False)
    ]
    made = _tiny(name, version, nodes, _matrix("X", 1), _matrix("Y", 1), floats(1), tables=tables)
    return made.golden({"f0": 3.0}, {"Y": [3.0]})


def floats(width: int) -> tuple[Feature, ...]:
    """Features f0, f1, ... of float32, all going to the input X."""
    return tuple(Feature(f"f{at}", "float32", "X") for at in range(width))


def _matrix(name: str, width: int) -> list[Any]:
    return [helper.make_tensor_value_info(name, _FLOAT, [None, width])]


def _tiny(
    name: str,
    version: str,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    features: tuple[Feature, ...],
    tables: Sequence[Any] = (),
    task: Any = "regression",
) -> TinyModel:
    graph = helper.make_graph(nodes, name, inputs, outputs, list(tables))
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=8).SerializeToString()
    digest = hashlib.sha256(model).hexdigest()
    role: Any = "raw" if task == "raw" else "value"
    manifest = Manifest(
        name, version, "2026-11-22T00:00:00Z", "made by the tests", digest, task, features, (Output("Y", role),)
    )
    return TinyModel(manifest, model)
