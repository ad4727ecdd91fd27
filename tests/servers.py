"""The servers tests talk to: ours under gunicorn, a real Redis, a real nginx."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.client import Answer, exchange, message
from tests.programs import HOST, ROOT, Program, ProgramFailed, children, wait_until


class Sluice(Program):
    """A program of this project, started from the repository root.

    ``models`` is a repository other than the committed one; the deployment file is then empty unless ``env`` names one.
    """

    started_event = ""
    """What each of its processes says with its pid once it serves."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None, models: Path | None = None) -> None:
        super().__init__(folder)
        self._env = dict(env or {})
        if models is not None:
            self._env = {"SLUICE_MODELS_DIR": str(models), "SLUICE_DEPLOYMENT_FILE": "/dev/null"} | self._env
        self._wanted = int(self._env.get("WEB_CONCURRENCY", "1"))

    @property
    def workers(self) -> list[int]:
        """Pids of the processes that answer."""
        return children(self.pid)

    def ports(self) -> Mapping[str, str]:
        """The variables that say where it listens."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Nothing of the caller's own settings, only what the test says."""
        ours = {"HOST": HOST, "SLUICE_LOG_FORMAT": "json", "SLUICE_AUTH": "off", "SLUICE_DRAIN_SECONDS": "0"}
        ours["SLUICE_DATA_DIR"] = str(self.folder / "var")
        return {**super().environment(), **ours, **self.ports(), **self._env}

    def answers(self) -> bool:
        """Every process says that it serves."""
        log = self.log
        return sum(f'"pid":{pid},"event":"{self.started_event}"' in log for pid in self.workers) >= self._wanted

    def shared_folder(self) -> Path:
        """The folder in memory that its workers share."""
        words = Path(f"/proc/{self.workers[0]}/maps").read_text().split()
        return Path(next(word for word in words if Path(word).parent.name.startswith("sluice-"))).parent


class Server(Sluice):
    """REST: this project under gunicorn, with its own ``gunicorn.conf.py``."""

    name = "gunicorn"
    started_event = "worker_ready"

    @property
    def url(self) -> str:
        """``http://host:port``, no slash at the end."""
        return f"http://{HOST}:{self.port}"

    def ports(self) -> Mapping[str, str]:
        """One."""
        return {"PORT": str(self.port)}

    def command(self) -> Sequence[str]:
        """Gunicorn of the interpreter that runs the tests."""
        return [sys.executable, "-m", "gunicorn"]

    def answers(self) -> bool:
        """/health/live is answered, too."""
        try:
            return super().answers() and self.get("/health/live", timeout=5).status == 200
        except OSError:
            return False

    def get(self, path: str, headers: Mapping[str, str] | None = None, timeout: float = 30) -> Answer:
        """GET on a connection of its own."""
        return self.send(message("GET", path, headers=headers), timeout)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None, timeout: float = 30) -> Answer:
        """POST a body: bytes as they are, anything else as JSON."""
        return self.send(message("POST", path, body, headers), timeout)

    def send(self, raw: bytes, timeout: float = 30) -> Answer:
        """Raw bytes of one request, on a connection of its own."""
        return exchange(HOST, self.port, raw, timeout)


class RedisServer(Program):
    """A real redis-server, nothing on disk. What was started twice is the same address with empty memory.

    ``options`` are more words of its configuration (``{port}`` where it shall listen), ``cli`` more options that
    redis-cli then needs.
    """

    name = "redis"

    def __init__(
        self,
        folder: Path,
        password: str | None = None,
        options: Mapping[str, str] | None = None,
        cli: Sequence[str] = (),
    ) -> None:
        super().__init__(folder)
        self._password = password
        self._options = dict(options or {})
        self._cli_options = cli

    @property
    def url(self) -> str:
        """``redis://...`` of database 0."""
        return f"redis://{f':{self._password}@' if self._password else ''}{HOST}:{self.port}/0"

    def command(self) -> Sequence[str]:
        """Bound to loopback, saving nothing."""
        options = {"port": str(self.port), "bind": HOST, "dir": str(self.folder), "save": "", "appendonly": "no"}
        if self._password:
            options["requirepass"] = self._password
        options |= self._options
        return [
            "redis-server",
            *(
                word
                for name, value in options.items()
                for word in (f"--{name}", value.replace("{port}", str(self.port)))
            ),
        ]

    def answers(self) -> bool:
        """Asks PING, once it says that the port is its own."""
        return "Ready to accept connections" in self.said and self._cli("PING").stdout.strip() == "PONG"

    def call(self, *words: str) -> str:
        """Run one command; its answer as text. Fails when Redis answers an error."""
        done = self._cli(*words)
        if done.returncode:
            raise ProgramFailed(f"redis-cli {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout.rstrip("\n")

    def config_set(self, name: str, value: str) -> None:
        """``CONFIG SET``, for example ``maxmemory 1``."""
        self.call("CONFIG", "SET", name, value)

    def flush(self) -> None:
        """Forget every key."""
        self.call("FLUSHALL")

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def stop(self) -> int:
        """A paused server could not obey TERM."""
        if self.running:
            self.resume()
        return super().stop()

    def _cli(self, *words: str) -> "subprocess.CompletedProcess[str]":
        login = ["--no-auth-warning", "-a", self._password] if self._password else []
        command = ["redis-cli", "-e", "-h", HOST, "-p", str(self.port), *login, *self._cli_options, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)


class Nginx(Program):
    """A real nginx in front of what ``http`` (the inside of its http block, ``{port}`` where it shall listen) says."""

    name = "nginx"

    def __init__(self, folder: Path, http: str) -> None:
        super().__init__(folder)
        self._http = http

    @classmethod
    def before(cls, folder: Path, ports: Sequence[int]) -> "Nginx":
        """A plain proxy before servers on these ports."""
        servers = " ".join(f"server {HOST}:{port};" for port in ports)
        return cls(
            folder,
            f"upstream app {{ {servers} keepalive 16; }}\n"
            "server { listen {port}; location / { proxy_pass http://app; proxy_http_version 1.1;"
            " proxy_set_header Connection ''; proxy_set_header Host $host; client_max_body_size 0; } }",
        )

    @property
    def url(self) -> str:
        """``http://host:port``, no slash at the end."""
        return f"http://{HOST}:{self.port}"

    def command(self) -> Sequence[str]:
        """In the foreground, everything it writes below its own folder."""
        names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{name}_temp_path {self.folder}/{name};\n" for name in names)
        listen = self._http.replace("{port}", f"{HOST}:{self.port}")
        config = (
            f"daemon off;\npid {self.folder}/nginx.pid;\nerror_log stderr;\nevents {{ worker_connections 1024; }}\n"
            f"http {{\n{places}access_log off;\n{listen}\n}}\n"
        )
        path = self.folder / "nginx.conf"
        path.write_text(config)
        return ["nginx", "-e", "stderr", "-p", str(self.folder), "-c", str(path)]

    def answers(self) -> bool:
        """Nginx starts its workers once it listens, and retries for seconds where the port is taken."""
        return bool(children(self.pid))

    def send(self, raw: bytes, timeout: float = 30) -> Answer:
        """Raw bytes of one request, on a connection of its own."""
        return exchange(HOST, self.port, raw, timeout)


def is_healthy(server: Sluice) -> bool:
    """As Docker's HEALTHCHECK finds it, which knows no more of the server than the image's own variables."""
    command = [sys.executable, str(ROOT / "deploy/image/healthy.py"), str(server.pid)]
    told = {"PYTHONPATH": str(ROOT), "PORT": "1", "HOST": "0.0.0.0"}
    return subprocess.run(command, cwd=ROOT, env=told, capture_output=True, timeout=20, check=False).returncode == 0


def wait_for_log(program: Program, text: str, seconds: float = 5) -> None:
    """Until its log holds the text."""
    wait_until(lambda: text in program.log, seconds, f"{text!r} in the log of {program.name}")


MODELS = ROOT / "models"
"""The committed demo models."""
