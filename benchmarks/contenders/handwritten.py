"""What one gets by writing the route oneself."""

from collections.abc import Mapping
from typing import Any

from benchmarks.contenders.contender import HERE, RIVALS, Contender
from benchmarks.doors.dialects import MANY, ONE, Dialect, by_column
from benchmarks.doors.door import Door
from benchmarks.doors.http import HttpDoor
from benchmarks.doors.raw import RawDoor
from benchmarks.environment import Environment
from benchmarks.workload import Workload

ENVIRONMENT = Environment("bench-rivals", HERE / "requirements" / "rivals.txt")
COLUMNS = Dialect(MANY.opening, MANY.closing, by_column)


def handwritten(workload: Workload) -> tuple[Contender, ...]:
    """Bare routes, and onnxruntime without any."""
    rival: dict[str, Any] = {
        "folder": RIVALS,
        "environment": ENVIRONMENT,
        "variables": of_rival(workload, "trees", "handwritten"),
    }
    one, many = HttpDoor("/predict", ONE), HttpDoor("/predict_many", MANY)
    both: Mapping[str, Door] = {"one": one, "many": many}
    columns: Mapping[str, Door] = {"one": one, "many": HttpDoor("/predict_columns", COLUMNS)}
    raw: Mapping[str, Door] = {"v2_binary": RawDoor()}
    flask = ("-m", "gunicorn", "-c", "flask_gunicorn.py", "bare_flask:app")
    return (
        Contender("bare_flask", "bare Flask + onnxruntime, gunicorn", flask, both, **rival),
        Contender("bare_fastapi", "FastAPI + pydantic + onnxruntime, uvicorn", ("bare_fastapi.py",), both, **rival),
        Contender(
            "bare_fastapi_columns", "the same FastAPI, answering in columns", ("bare_fastapi.py",), columns, **rival
        ),
        Contender("onnxruntime", "onnxruntime alone, no server", ("onnxruntime_alone.py",), raw, **rival),
    )


def of_rival(workload: Workload, model: str, name: str) -> dict[str, str]:
    """The variables by which code under ``rivals/`` finds the model and its core."""
    return {"BENCH_MODEL": str(workload.file(model)), "BENCH_CORES": str(workload.folder / "cores" / name)}
