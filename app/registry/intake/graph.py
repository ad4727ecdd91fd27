"""What an ONNX file says of itself that the runtime does not pass on: class labels, known words, files beside it.

The only module that reads the graph, and so the only one that needs the ``onnx`` package.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from app.registry.intake.options import IntakeRefused

Label = str | int

_UNCHANGED = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"})
"""Operators after which labels are still the same labels."""

_LABEL_ATTRIBUTES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_WORD_ATTRIBUTES = {"OneHotEncoder": "cats_strings", "LabelEncoder": "keys_strings"}


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What was found.

    ``labels`` are in the order of the probability columns, empty where the file names none. ``words`` holds what each
    text encoder knows, in file order; ``external`` the names of the files that hold weights beside the graph.
    """

    labels: tuple[Label, ...]
    words: tuple[tuple[str, ...], ...]
    external: tuple[str, ...]
    producer: str


def read_graph(model: bytes) -> GraphFacts:
    """Read the file.

    Raises:
        IntakeRefused: it is no ONNX file.
    """
    try:
        proto = onnx.load_model_from_string(model)
    except DecodeError:
        raise IntakeRefused("This is no ONNX file, or not a whole one; export the model to ONNX first.") from None
    if not proto.graph.node:
        raise IntakeRefused("This is no ONNX model: it holds no graph. Export the model to ONNX first.")
    return GraphFacts(
        labels=_Labels(proto.graph).find(),
        words=tuple(_words(proto.graph)),
        external=tuple(sorted(_external(proto))),
        producer=_producer(proto),
    )


def _producer(proto: onnx.ModelProto) -> str:
    """Name and version of what wrote the file; a version of several lines is a build log."""
    version = proto.producer_version if proto.producer_version.isprintable() else ""
    return f"{proto.producer_name} {version}".strip()


class _Labels:
    """Walks from the graph's outputs back to the node that knows the class labels.

    Back from an output, not through all nodes: inside a stacked or calibrated model other classifiers work with labels
    of their own.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._outputs = [output.name for output in graph.output]
        self._maker = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def find(self) -> tuple[Label, ...]:
        """From a map output where there is one: its keys cannot be misread. Else from the first output that has any."""
        zipped = [name for name in self._outputs if self._operator(name) == "ZipMap"]
        found = (self._behind(name) for name in zipped + self._outputs)
        return next((labels for labels in found if labels), ())

    def _operator(self, name: str) -> str:
        return self._maker[name].op_type if name in self._maker else ""

    def _behind(self, name: str) -> tuple[Label, ...]:
        seen: set[str] = set()
        while name in self._maker and name not in seen:
            seen.add(name)
            node = self._maker[name]
            if labels := _named_labels(node):
                return labels
            if node.op_type == "ArrayFeatureExtractor":
                return self._picked_from(node)
            if node.op_type not in _UNCHANGED:
                return ()
            name = node.input[0]
        return ()

    def _picked_from(self, node: onnx.NodeProto) -> tuple[Label, ...]:
        """The list of classes that an ArgMax picks from, as scikit-learn's converter writes it for many models."""
        tensor = self._constants.get(node.input[0])
        if tensor is None or self._operator(node.input[1]) not in {"ArgMax", "Cast", "Reshape"}:
            return ()
        return tuple(_label(value) for value in numpy_helper.to_array(tensor).ravel().tolist())


def _named_labels(node: onnx.NodeProto) -> tuple[Label, ...]:
    attributes = _attributes(node)
    lists = (attributes.get(name) for name in _LABEL_ATTRIBUTES)
    return next((tuple(_label(value) for value in values) for values in lists if values), ())


def _label(value: Any) -> Label:
    return value.decode() if isinstance(value, bytes) else value if isinstance(value, str) else int(value)


def _words(graph: onnx.GraphProto) -> Iterator[tuple[str, ...]]:
    for node in graph.node:
        values = _attributes(node).get(_WORD_ATTRIBUTES.get(node.op_type, ""))
        if values:
            yield tuple(value.decode() for value in values)


def _attributes(node: onnx.NodeProto) -> Mapping[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _external(proto: onnx.ModelProto) -> set[str]:
    tensors = [tensor for graph in _graphs(proto.graph) for tensor in _tensors(graph)]
    tensors += [item.t for function in proto.functions for node in function.node for item in node.attribute]
    held_outside = (tensor for tensor in tensors if tensor.data_location == onnx.TensorProto.EXTERNAL)
    return {entry.value for tensor in held_outside for entry in tensor.external_data if entry.key == "location"}


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its conditions and loops."""
    yield graph
    for node in graph.node:
        for item in node.attribute:
            for inner in [item.g, *item.graphs]:
                if inner.node:
                    yield from _graphs(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for item in node.attribute:
            yield from [item.t, *item.tensors]
