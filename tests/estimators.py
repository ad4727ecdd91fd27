"""Scikit-learn models of every kind that skl2onnx converts, each trained on a small table of its own."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from skl2onnx import to_onnx
from sklearn import (
    calibration,
    cluster,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    ensemble,
    gaussian_process,
    linear_model,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from threadpoolctl import threadpool_limits

_ROWS = 240
_STUMP = tree.DecisionTreeClassifier(max_depth=3, random_state=0)
_LINE = linear_model.LogisticRegression()
_TREE = tree.DecisionTreeRegressor(max_depth=4, random_state=0)
_RIDGE = linear_model.Ridge()

CLASSIFIERS: dict[str, Any] = {
    "logistic": _LINE,
    "logistic-cv": linear_model.LogisticRegressionCV(cv=2, l1_ratios=(0.0,), use_legacy_attributes=False),
    "ridge-classifier": linear_model.RidgeClassifier(),
    "sgd-hinge": linear_model.SGDClassifier(random_state=0),
    "sgd-log": linear_model.SGDClassifier(loss="log_loss", random_state=0),
    "perceptron": linear_model.Perceptron(random_state=0),
    "lda": discriminant_analysis.LinearDiscriminantAnalysis(),
    "forest": ensemble.RandomForestClassifier(10, random_state=0),
    "extra-trees": ensemble.ExtraTreesClassifier(10, random_state=0),
    "boosting": ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0),
    "hist-boosting": ensemble.HistGradientBoostingClassifier(max_iter=10, random_state=0),
    "ada": ensemble.AdaBoostClassifier(n_estimators=5, random_state=0),
    "bagging": ensemble.BaggingClassifier(_STUMP, n_estimators=5, random_state=0),
    "voting": ensemble.VotingClassifier([("a", _LINE), ("b", _STUMP)], voting="soft", flatten_transform=False),
    "stacking": ensemble.StackingClassifier([("a", _LINE), ("b", _STUMP)], cv=2),
    "calibrated": calibration.CalibratedClassifierCV(svm.LinearSVC(random_state=0), cv=2),
    "svc": svm.SVC(),
    "svc-probability": svm.SVC(probability=True, random_state=0),
    "nu-svc": svm.NuSVC(nu=0.3),
    "linear-svc": svm.LinearSVC(random_state=0),
    "tree": _STUMP,
    "neighbours": neighbors.KNeighborsClassifier(),
    "radius": neighbors.RadiusNeighborsClassifier(radius=50.0),
    "gaussian-bayes": naive_bayes.GaussianNB(),
    "bernoulli-bayes": naive_bayes.BernoulliNB(),
    "network": neural_network.MLPClassifier((8,), max_iter=40, random_state=0),
    "one-vs-rest": multiclass.OneVsRestClassifier(_LINE),
    "scaled": pipeline.make_pipeline(preprocessing.StandardScaler(), decomposition.PCA(4), _LINE),
}

REGRESSORS: dict[str, Any] = {
    "linear": linear_model.LinearRegression(),
    "ridge": _RIDGE,
    "lasso": linear_model.Lasso(),
    "elastic-net": linear_model.ElasticNet(),
    "bayesian-ridge": linear_model.BayesianRidge(),
    "huber": linear_model.HuberRegressor(max_iter=1000),
    "sgd": linear_model.SGDRegressor(random_state=0),
    "svr": svm.SVR(),
    "nu-svr": svm.NuSVR(),
    "linear-svr": svm.LinearSVR(random_state=0),
    "tree-regressor": _TREE,
    "forest-regressor": ensemble.RandomForestRegressor(10, random_state=0),
    "extra-trees-regressor": ensemble.ExtraTreesRegressor(10, random_state=0),
    "boosting-regressor": ensemble.GradientBoostingRegressor(n_estimators=10, random_state=0),
    "hist-boosting-regressor": ensemble.HistGradientBoostingRegressor(max_iter=10, random_state=0),
    "ada-regressor": ensemble.AdaBoostRegressor(n_estimators=5, random_state=0),
    "bagging-regressor": ensemble.BaggingRegressor(_TREE, n_estimators=5, random_state=0),
    "voting-regressor": ensemble.VotingRegressor([("a", _RIDGE), ("b", _TREE)]),
    "stacking-regressor": ensemble.StackingRegressor([("a", _RIDGE), ("b", _TREE)], cv=2),
    "neighbours-regressor": neighbors.KNeighborsRegressor(),
    "network-regressor": neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=200, random_state=0),
    "scaled-regressor": pipeline.make_pipeline(preprocessing.StandardScaler(), _RIDGE),
}

MULTI_OUTPUT: dict[str, Any] = {
    "linear-many": linear_model.LinearRegression(),
    "tree-many": _TREE,
    "forest-many": ensemble.RandomForestRegressor(5, random_state=0),
    "neighbours-many": neighbors.KNeighborsRegressor(),
    "boosting-many": multioutput.MultiOutputRegressor(
        ensemble.GradientBoostingRegressor(n_estimators=5, random_state=0)
    ),
    "pls-many": cross_decomposition.PLSRegression(2),
}

OTHERS: dict[str, Any] = {
    "kmeans": cluster.KMeans(3, n_init=2, random_state=0),
    "isolation-forest": ensemble.IsolationForest(n_estimators=10, random_state=0),
    "many-classes": multioutput.MultiOutputClassifier(_LINE),
    "forest-many-classes": ensemble.RandomForestClassifier(5, random_state=0),
}

DOUBLES: dict[str, Any] = {
    "gaussian-process": gaussian_process.GaussianProcessRegressor(alpha=0.1),
    "linear-double": linear_model.LinearRegression(),
}
"""Converted with float64 inputs."""

NO_ZIPMAP_OPTION = frozenset({"linear-svc"})
"""Their converter knows no maps at all."""

WRONG_CONVERSION = frozenset({"lda"})
"""Of two classes skl2onnx answers softmax where scikit-learn answers a sigmoid; the ONNX file itself is wrong."""


@dataclass(frozen=True)
class Case:
    """One estimator, what it is trained on, and the ONNX file made of it. ``table`` has shape (rows, 6)."""

    name: str
    estimator: Any
    table: Any
    target: Any
    zipmap: bool | None = None

    @cached_property
    def onnx(self) -> bytes:
        """Train and convert; both have opinions about each other's versions that are not what is tested.

        On one thread: tables this small only make threads wait for each other.
        """
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            self.estimator.fit(self.table, self.target)
            options = None if self.zipmap is None else {id(self.estimator): {"zipmap": self.zipmap}}
            opset = {"": 17, "ai.onnx.ml": 3}
            converted = to_onnx(self.estimator, self.table[:1], options=options, target_opset=opset)
        return bytes(converted.SerializeToString())


def cases() -> Iterator[Case]:
    """Classifiers of three words with maps and of two numbers without, then everything else."""
    words = np.array(["cat", "dog", "emu"])
    for name, estimator in CLASSIFIERS.items():
        maps = None if name in NO_ZIPMAP_OPTION else True
        table, classes = _classes(3)
        yield Case(f"{name}-words", clone(estimator), table, words[classes], maps)
        if name not in WRONG_CONVERSION:
            table, classes = _classes(2)
            yield Case(f"{name}-two", clone(estimator), table, classes, None if maps is None else False)
    for name, estimator in REGRESSORS.items():
        yield Case(name, clone(estimator), *_values(1))
    for name, estimator in DOUBLES.items():
        table, values = _values(1)
        yield Case(name, clone(estimator), table.astype(np.float64), values)
    for name, estimator in MULTI_OUTPUT.items():
        yield Case(name, clone(estimator), *_values(3))
    table, classes = _classes(3)
    two = np.column_stack([classes, (classes + 1) % 3])
    for name, estimator in OTHERS.items():
        many = name.endswith("many-classes")
        yield Case(name, clone(estimator), table, two if many else None, False if many else None)


def wrong_rows() -> Case:
    """Of several targets skl2onnx lays a network's answers end to end, so nobody can tell which belong to a row."""
    network = neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=200, random_state=0)
    return Case("network-many", network, *_values(3))


def _classes(count: int) -> tuple[Any, Any]:
    table, classes = make_classification(
        _ROWS, 6, n_informative=4, n_redundant=0, n_classes=count, n_clusters_per_class=1, random_state=0
    )
    return table.astype(np.float32), classes


def _values(targets: int) -> tuple[Any, Any]:
    table, values = make_regression(_ROWS, 6, n_targets=targets, noise=0.1, random_state=0)
    return table.astype(np.float32), values / 100
