"""Budgets: when a function or file outgrows them, a second idea has moved in."""

from statistics import median

from tests.architecture.source import Function, modules

LONGEST_FUNCTION = 50
LONGEST_FILE = 300
MEDIAN_FUNCTION = 8


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_no_function_outgrows_its_budget() -> None:
    long = {
        f"{module.name}:{function.lineno} {function.name}": _length(function)
        for module in modules("app", "config", "scripts")
        for function in module.functions()
        if _length(function) > LONGEST_FUNCTION
    }
    assert long == {}


def test_no_file_outgrows_its_budget() -> None:
    long = {module.name: module.lines for module in modules("app", "config", "scripts") if module.lines > LONGEST_FILE}
    assert long == {}


def test_the_usual_function_is_short() -> None:
    lengths = [_length(function) for module in modules("app") for function in module.functions()]
    assert median(lengths) <= MEDIAN_FUNCTION
