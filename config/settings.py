"""Settings from the environment: the one place that reads ``os.environ``.

Each field names its variable, its default and what it does; ``docs/settings.md`` is generated from here
(``python scripts/settings_table.py``), and a test fails when the two differ.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from config.invalid import meant
from config.values import choice, given_value, integer, matching, path, setting, switch, text, words


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the process is told from outside. Frozen: built once, handed to ``wiring``, never read again."""

    host: str = setting(
        "HOST",
        "127.0.0.1",
        matching(r"unix:.+|(?!unix:)[A-Za-z0-9._:%-]+", "address, or unix:/path"),
        "Address to listen on.",
    )
    port: int = setting("PORT", 8000, integer(1, 65535), "Port to listen on.", also=("WEBSITES_PORT",))
    workers: int = setting("WEB_CONCURRENCY", 1, integer(1, 256), "Gunicorn worker processes.", also=("WORKER_COUNT",))
    threads: int = setting("SLUICE_THREADS", 32, integer(1, 256), "Request threads in each worker process.")
    pin_workers: bool = setting(
        "SLUICE_PIN_WORKERS",
        True,
        switch,
        "Pin each worker to one core while there are at least as many cores as workers.",
    )
    models_dir: Path = setting(
        "SLUICE_MODELS_DIR", Path("models"), path("a folder"), "The model repository: `<name>/<version>/model.onnx`."
    )
    watch_models: bool = setting(
        "SLUICE_WATCH_MODELS", True, switch, "Serve versions that come or change while the server runs."
    )
    deployment_file: Path = setting(
        "SLUICE_DEPLOYMENT_FILE",
        Path("config/deployment.yaml"),
        path("a YAML file"),
        "Which models and versions answer by default.",
    )
    inference_threads: int = setting(
        "SLUICE_INFERENCE_THREADS",
        0,
        integer(0, 256),
        "onnxruntime threads per worker; 0 divides the container's processors among the workers.",
    )
    map_models_mb: int = setting(
        "SLUICE_MAP_MODELS_MB",
        32,
        integer(0, 1 << 20),
        "MiB from which on all workers map one copy of a model's weights, kept in the data folder; 0 never.",
    )
    worker_memory_mb: int = setting(
        "SLUICE_WORKER_MEMORY_MB",
        0,
        integer(0, 1 << 24),
        "MiB of its own memory above which a worker is replaced once its requests are answered; 0 never.",
    )
    max_body_bytes: int = setting(
        "SLUICE_MAX_BODY_BYTES",
        16 * 1024 * 1024,
        integer(1024, 1 << 31),
        "Largest request body, before and after decompression.",
    )
    max_rows: int = setting("SLUICE_MAX_ROWS", 10_000, integer(1, 1_000_000), "Most rows in one request.")
    log_level: str = setting(
        "SLUICE_LOG_LEVEL", "info", choice("debug", "info", "warning", "error"), "Lowest level that is logged."
    )
    log_format: str = setting(
        "SLUICE_LOG_FORMAT",
        "auto",
        choice("auto", "json", "console"),
        "`auto` is console on a terminal and JSON elsewhere.",
    )
    access_log: bool = setting("SLUICE_ACCESS_LOG", True, switch, "One log line per request.")
    worker_timeout: int = setting(
        "SLUICE_WORKER_TIMEOUT",
        120,
        integer(1, 86_400),
        "Seconds after which a worker that shows no sign of life is killed and replaced.",
        also=("WORKER_TIMEOUT",),
    )
    request_timeout_ms: int = setting(
        "SLUICE_REQUEST_TIMEOUT_MS",
        0,
        integer(0, 3_600_000),
        "Milliseconds until a request's deadline where its caller names none; 0 is none.",
        also=("SCORING_TIMEOUT_MS",),
    )
    graceful_timeout: int = setting(
        "SLUICE_GRACEFUL_TIMEOUT", 30, integer(1, 3600), "Seconds that requests in flight have to end after TERM."
    )
    drain_seconds: int = setting(
        "SLUICE_DRAIN_SECONDS",
        2,
        integer(0, 3600),
        "Seconds after TERM in which it says that it is not ready and still takes requests, so that balancers notice.",
    )
    redis_url: str = setting(
        "SLUICE_REDIS_URL",
        "memory://",
        matching(
            r"memory://|rediss?(\+cluster)?://[^\s]+|unix://[^\s]+",
            "memory://, redis://, rediss://, unix://, redis+cluster://, rediss+cluster://",
        ),
        "Where workers and machines share the cache and what they count. `memory://` is this worker alone.",
        secret=True,
    )
    redis_credentials: str = setting(
        "SLUICE_REDIS_CREDENTIALS",
        "",
        matching(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", "package.module:function"),
        "Function that makes a redis-py credential provider, such as one for Microsoft Entra ID.",
    )
    cache: bool = setting("SLUICE_CACHE", True, switch, "Remember predictions where that pays.")
    cache_max_bytes: int = setting(
        "SLUICE_CACHE_MAX_BYTES",
        64 * 1024 * 1024,
        integer(0, 1 << 40),
        "Most memory for remembered predictions in each worker.",
    )
    cache_max_entries: int = setting(
        "SLUICE_CACHE_MAX_ENTRIES", 100_000, integer(0, 1 << 30), "Most rows remembered per worker."
    )
    cache_secret: str = setting(
        "SLUICE_CACHE_SECRET",
        "",
        text("any text"),
        "Seals entries in Redis, so that nobody else who can write there can plant an answer. Equal on all machines.",
        secret=True,
    )
    prices_file: Path = setting(
        "SLUICE_PRICES_FILE", Path("config/prices.yaml"), path("a YAML file"), "What an hour of this instance costs."
    )
    auth: bool = setting(
        "SLUICE_AUTH",
        True,
        switch,
        "Ask every caller who it is. `off` is taken only together with a loopback address or a unix socket.",
    )
    roles_file: Path = setting(
        "SLUICE_ROLES_FILE", Path("config/roles.yaml"), path("a YAML file"), "Roles, their scopes and their quotas."
    )
    data_dir: Path = setting(
        "SLUICE_DATA_DIR", Path("var"), path("a folder"), "What this server keeps: API keys, the audit log."
    )
    key_store: str = setting("SLUICE_KEY_STORE", "file", choice("file", "redis"), "Where API keys are kept.")
    key_pepper: str = setting(
        "SLUICE_KEY_PEPPER",
        "",
        matching(r".{16,}", "at least 16 characters"),
        "Mixed into the hash of every API key. Without it a file in the data folder holds one.",
        secret=True,
    )
    bootstrap_admin_key: str = setting(
        "SLUICE_BOOTSTRAP_ADMIN_KEY",
        "",
        matching(r"[!-~]{24,256}", "24 to 256 printable characters"),
        "An admin key that needs no store: for the first start in a container.",
        secret=True,
    )
    audit_log: str = setting(
        "SLUICE_AUDIT_LOG",
        "",
        text("a path, or stderr"),
        "Where the audit log goes; without it `audit.jsonl` in the data folder.",
    )
    oidc_issuer: str = setting(
        "SLUICE_OIDC_ISSUER",
        "",
        matching(r"https://\S+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/\S*)?", "an https address"),
        "OpenID Connect issuer whose bearer tokens are accepted.",
    )
    oidc_audience: str = setting(
        "SLUICE_OIDC_AUDIENCE", "", text("any text"), "The audience a bearer token must be for; needed with an issuer."
    )
    oidc_algorithms: tuple[str, ...] = setting(
        "SLUICE_OIDC_ALGORITHMS",
        ("RS256", "ES256"),
        words(r"(RS|PS|ES)(256|384|512)|EdDSA", "RS256, PS256, ES256, ... , EdDSA"),
        "Signature algorithms a bearer token may use.",
    )
    oidc_role_claim: str = setting(
        "SLUICE_OIDC_ROLE_CLAIM", "roles", text("a claim, or a dotted path"), "Where a bearer token names its roles."
    )
    trusted_proxies: tuple[str, ...] = setting(
        "SLUICE_TRUSTED_PROXIES",
        (),
        words(r"unix|[0-9A-Fa-f:.]+(/\d{1,3})?", "addresses and networks, and unix"),
        "Hops whose X-Forwarded-For is believed.",
    )
    cors_origins: tuple[str, ...] = setting(
        "SLUICE_CORS_ORIGINS",
        (),
        words(r"\*|https?://[^\s/]+", "origins, or *"),
        "Web pages from these origins may call from a browser.",
    )
    instances: int = setting(
        "SLUICE_INSTANCES",
        1,
        integer(1, 10_000),
        "How many servers share a quota; each takes its part of it while shared state is away.",
    )
    metrics: bool = setting(
        "SLUICE_METRICS", True, switch, "Count requests for Prometheus, and show them at `/metrics`."
    )
    runtime_dir: Path | None = setting(
        "PROMETHEUS_MULTIPROC_DIR",
        None,
        path("a folder in memory"),
        "Where each server makes a folder that its workers share while it runs; without it in /dev/shm.",
    )
    statsd_host: str = setting(
        "SLUICE_STATSD_HOST", "", matching(r"[A-Za-z0-9._:-]+", "a name or address"), "Where metrics go as statsd."
    )
    statsd_port: int = setting("SLUICE_STATSD_PORT", 8125, integer(1, 65535), "The UDP port there.")
    statsd_prefix: str = setting(
        "SLUICE_STATSD_PREFIX", "sluice", matching(r"[A-Za-z0-9_.-]+", "a word"), "What each statsd name begins with."
    )
    statsd_tags: bool = setting(
        "SLUICE_STATSD_TAGS", False, switch, "Write labels as DogStatsD tags, not as parts of the name."
    )
    max_requests: int = setting(
        "SLUICE_MAX_REQUESTS",
        0,
        integer(0, 1_000_000_000),
        "Requests after which a worker is replaced (plus up to a tenth, at random); 0 never.",
    )
    grpc_port: int = setting(
        "SLUICE_GRPC_PORT", 8001, integer(1, 65535), "gRPC port on `HOST` (127.0.0.1 with a unix socket)."
    )
    grpc_metrics_port: int = setting(
        "SLUICE_GRPC_METRICS_PORT", 8002, integer(0, 65535), "Its `/metrics`, by HTTP; 0 is nowhere."
    )
    grpc_waiting: int = setting(
        "SLUICE_GRPC_WAITING",
        256,
        integer(0, 100_000),
        "gRPC calls that may wait for a thread in each process; the next one is refused.",
    )
    remote_url: str = setting(
        "SLUICE_URL", "http://127.0.0.1:8000", matching(r"https?://\S+", "http(s)://..."), "Server of the commands."
    )
    remote_api_key: str = setting("SLUICE_API_KEY", "", text("an API key"), "The key they show there.", secret=True)
    greeting: bool = setting("SLUICE_GREETING", False, switch, "Print the address and a curl that works once ready.")

    @property
    def bind(self) -> str:
        """The address in gunicorn's words."""
        if self.host.startswith("unix:"):
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def grpc_host(self) -> str:
        """Where the gRPC door listens: several processes can share a port, not a unix socket."""
        return "127.0.0.1" if self.host.startswith("unix:") else self.host

    @property
    def grpc_bind(self) -> str:
        """The gRPC door's address with its port."""
        return f"[{self.grpc_host}]:{self.grpc_port}" if ":" in self.grpc_host else f"{self.grpc_host}:{self.grpc_port}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read every variable; one that is empty, or blank, counts as absent.

        Raises:
            ConfigInvalid: names the variable, its value and what is allowed.
        """
        environ = os.environ if environ is None else environ
        given = {item.name: given_value(item, environ) for item in fields(cls)}
        return cls(**{name: value for name, value in given.items() if value is not None})


def unknown_settings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that are named like ours and are none, each with what is to be said of it.

    Those of API keys are left out: ``deployment.yaml`` may name any.
    """
    environ = os.environ if environ is None else environ
    known = [name for item in fields(Settings) for name in (item.metadata["env"], *item.metadata["also"])]
    strange = [name for name in environ if name.startswith("SLUICE_") and name not in known]
    return {name: f"unknown{meant(name, known)}" for name in strange if not name.endswith("_API_KEY")}
