"""A clock on every stage of a running application: functions are wrapped where they are looked up."""

from collections import defaultdict
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any


class Trace:
    """Time of each stage without what other stages inside it took, request by request."""

    def __init__(self) -> None:
        self._inner: list[float] = []
        self._request: defaultdict[str, float] = defaultdict(float)
        self._requests: list[dict[str, float]] = []

    def wrap(self, owner: Any, attribute: str, stage: str) -> None:
        """Clock a function or method of a module, class or object from now on."""
        setattr(owner, attribute, self.timed(getattr(owner, attribute), stage))

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """The function, clocked."""
        inner, request = self._inner, self._request

        def clocked(*args: Any, **kwargs: Any) -> Any:
            inner.append(0.0)
            started = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                took = perf_counter() - started
                request[stage] += took - inner.pop()
                if inner:
                    inner[-1] += took

        return clocked

    def end_request(self) -> None:
        """Everything since the last call was one request."""
        self._requests.append(dict(self._request))
        self._request.clear()

    def take_us(self) -> dict[str, float]:
        """Stage -> median microseconds of the requests since the last call, in the order in which stages end."""
        requests, self._requests = self._requests, []
        stages = dict.fromkeys(stage for request in requests for stage in request)
        return {stage: 1e6 * median(request.get(stage, 0.0) for request in requests) for stage in stages}
