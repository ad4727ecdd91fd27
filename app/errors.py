"""What can go wrong, one class per cause. Transports translate; nothing here knows a status code.

The text of an error is shown to callers: it names the cause and what to do, never a path, a stack or a secret.
"""

from collections.abc import Mapping, Sequence
from math import ceil


class SluiceError(Exception):
    """Root of every error that a caller may see.

    ``kind`` is the cause's name in every door's words; ``retry_after_s`` is when the same call may succeed.
    """

    kind = "internal"
    retry_after_s: float | None = None

    @property
    def retry_after(self) -> int | None:
        """The same in whole seconds, at least one; None when coming again is no use."""
        return None if self.retry_after_s is None else max(1, ceil(self.retry_after_s))


class InvalidInput(SluiceError):
    """The caller's rows do not fit the model.

    ``errors`` maps a field path (``features.tenure``, ``instances[3].age``) to its messages.
    """

    kind = "invalid-input"

    def __init__(self, errors: Mapping[str, Sequence[str]], detail: str | None = None) -> None:
        super().__init__(detail or _summary(errors))
        self.errors = dict(errors)


class ModelNotFound(SluiceError):
    """No model of that name is in the repository."""

    kind = "model-not-found"

    def __init__(self, name: str, hint: str = "") -> None:
        super().__init__(f"There is no model '{clip(name)}' here.{hint}")


class VersionNotFound(SluiceError):
    """The model exists, that version of it does not."""

    kind = "version-not-found"

    def __init__(self, name: str, version: str, known: Sequence[str]) -> None:
        super().__init__(f"Model '{name}' has no version '{clip(version)}'; it has {', '.join(known) or 'none'}.")


class ModelNotReady(SluiceError):
    """The version exists but was refused or is not loaded."""

    kind = "model-not-ready"

    def __init__(self, name: str, version: str | None = None) -> None:
        label = f"'{name}'" if version is None else f"'{name}' version '{version}'"
        super().__init__(f"Model {label} is not being served; GET /health/ready says why.")


class ModelFailed(SluiceError):
    """The runtime raised on rows that had passed validation. The reason is for the log."""

    kind = "model-failed"

    def __init__(self, name: str, version: str, reason: str) -> None:
        super().__init__(f"Model '{name}' version '{version}' failed on this input.")
        self.reason = reason


class Unauthenticated(SluiceError):
    """No credential, or none that proves anything. Says the same for every reason."""

    kind = "unauthenticated"

    def __init__(self) -> None:
        super().__init__("Send a valid API key as X-API-Key, or a bearer token as Authorization.")


class Forbidden(SluiceError):
    """The caller is known and may not do this."""

    kind = "forbidden"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope '{scope}', which your role does not have.")


class QuotaExceeded(SluiceError):
    """The caller has used up a limit; ``reset_s`` is when it may come again."""

    kind = "quota-exceeded"

    def __init__(self, unit: str, limit: int, seconds: int, reset_s: float) -> None:
        super().__init__(f"The limit of {limit} {unit} in {seconds} s is used up.")
        self.unit = unit
        self.limit = limit
        self.seconds = seconds
        self.reset_s = self.retry_after_s = max(reset_s, 0.0)


class GateUnavailable(SluiceError):
    """Shared state is away, and this call must not be let in on a guess."""

    kind = "state-unavailable"

    def __init__(self) -> None:
        super().__init__("Shared state is away; calls that change something are refused until it is back.")


class DeadlineExceeded(SluiceError):
    """The answer would come too late; the work was not begun, or given up while it waited."""

    kind = "deadline-exceeded"

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"The deadline passed after {waited_s * 1000:.0f} ms of waiting; nothing was computed.")
        self.waited_s = waited_s


class Overloaded(SluiceError):
    """More is waiting than can be done in time; ``retry_after_s`` is when it is worth coming again."""

    kind = "overloaded"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("The server has as much as it can do; come again shortly.")
        self.retry_after_s = retry_after_s


class TrafficConflict(SluiceError):
    """This change of traffic cannot follow from where things stand. The text says why and what would help."""

    kind = "traffic-conflict"


class ModelRefused(SluiceError):
    """A version that must not be served: wrong digest, broken file, golden rows that do not reproduce."""

    kind = "model-refused"


def _summary(errors: Mapping[str, Sequence[str]]) -> str:
    path, messages = next(iter(errors.items()))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{path}: {messages[0]}{more}"


def clip(text: str) -> str:
    """What a caller wrote, short enough to be shown back."""
    return text if len(text) <= 64 else text[:61] + "..."
