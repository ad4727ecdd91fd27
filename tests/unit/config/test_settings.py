"""Settings from the environment: read once, checked, and never anything else."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from config.invalid import ConfigInvalid
from config.settings import Settings, unknown_settings


def test_defaults_need_no_environment() -> None:
    assert Settings.from_env({}) == Settings()
    for nothing in ("", "  ", "\t\n"):
        assert Settings.from_env({item.metadata["env"]: nothing for item in fields(Settings)}) == Settings()


def test_what_the_environment_says() -> None:
    told = {
        "HOST": "0.0.0.0", "PORT": " 9000 ", "WEB_CONCURRENCY": "4", "SLUICE_THREADS": "2", "SLUICE_PIN_WORKERS": "Off",
        "SLUICE_MODELS_DIR": "/data/models", "SLUICE_LOG_LEVEL": "WARNING", "SLUICE_ACCESS_LOG": "0", "UNRELATED": "x",
    }  # fmt: skip
    settings = Settings.from_env(told)
    assert (settings.host, settings.port, settings.workers, settings.threads) == ("0.0.0.0", 9000, 4, 2)
    assert (settings.pin_workers, settings.access_log, settings.log_level) == (False, False, "warning")
    assert settings.models_dir == Path("/data/models")


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("PORT", "0", "1 to 65535"),
        ("PORT", "65536", "1 to 65535"),
        ("PORT", "http", "1 to 65535"),
        ("PORT", "8_0", "1 to 65535"),
        ("PORT", "8000.0", "1 to 65535"),
        ("PORT", "٨٠٨٠", "1 to 65535"),
        ("HOST", "my host", "address"),
        ("HOST", "höst", "address"),
        ("HOST", "unix:", "unix:/path"),
        ("WEB_CONCURRENCY", "-1", "1 to 256"),
        ("WEB_CONCURRENCY", "9" * 5000, "1 to 256"),
        ("SLUICE_THREADS", "many", "1 to 256"),
        ("SLUICE_PIN_WORKERS", "yes please", "on, off"),
        ("SLUICE_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("SLUICE_LOG_FORMAT", "xml", "auto, json, console"),
        ("SLUICE_MAX_BODY_BYTES", "1", "1024 to"),
        ("SLUICE_MAX_ROWS", "0", "1 to 1000000"),
    ],
)
def test_a_mistake_names_variable_value_and_what_is_allowed(variable: str, value: str, allowed: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Settings.from_env({variable: value})
    text = str(caught.value)
    assert text.startswith(f"{variable}: ")
    assert value[:20] in text
    assert allowed in text
    assert len(text) < 500


@pytest.mark.parametrize(
    ("host", "bind"), [("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000"), ("unix:/run/s.sock", "unix:/run/s.sock")]
)
def test_the_address_in_gunicorns_words(host: str, bind: str) -> None:
    assert Settings(host=host).bind == bind


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_secrets_are_not_shown() -> None:
    secrets: dict[str, Any] = {item.name: "s3cret" for item in fields(Settings) if item.metadata["secret"]}
    assert secrets
    assert "s3cret" not in repr(Settings(**secrets))


def test_a_variable_that_only_looks_like_ours_is_named() -> None:
    told = unknown_settings({"SLUICE_REDIS_URI": "x", "SLUICE_X": "", "PORT": "1", "SLUICE_PRODUCTION_API_KEY": "k"})
    assert told == {"SLUICE_REDIS_URI": "unknown (did you mean SLUICE_REDIS_URL?)", "SLUICE_X": "unknown"}
