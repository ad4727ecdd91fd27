"""What one can choose about the site, and the text that comes of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parent.parent.parent / "deploy" / "nginx"

CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
"""For TLS 1.2, forward secret and authenticated only; TLS 1.3 has no others."""

LINES = 8
"""How often the only server is listed."""

_WORD = re.compile(r"[A-Za-z0-9_./:\[\]@*-]+")
"""What may stand in the text unquoted and means nothing to nginx."""


@dataclass(frozen=True)
class Site:
    """One site. ``certificate`` None is plain HTTP; sizes and times are in nginx's units."""

    upstreams: Sequence[str] = ("127.0.0.1:8000",)
    listen: Sequence[str] = ("443",)
    server_name: str = "_"
    certificate: Path | None = None
    key: Path | None = None
    redirect_from: str = ""
    hsts: int = 31_536_000
    sticky: str = ""
    real_ip_from: Sequence[str] = ()
    rate: int = 500
    burst: int = 1000
    connections: int = 128
    max_body: str = "16m"
    max_header: str = "8k"
    timeout: int = 60
    metrics: bool = False
    access_log: str = "/var/log/nginx/sluice.access.log"
    error_log: str = "stderr"
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse what would be more than one word to nginx.

        Raises:
            ValueError: names the option's value.
        """
        texts = [self.server_name, self.redirect_from, self.sticky, self.max_body, self.max_header, self.access_log]
        texts += [self.error_log, *self.upstreams, *self.listen, *self.real_ip_from]
        texts += [str(path) for path in (self.certificate, self.key) if path]
        for text in filter(None, texts):
            if not _WORD.fullmatch(text):
                raise ValueError(f"{text!r} cannot stand in nginx's configuration")

    @property
    def sticky_variable(self) -> str:
        """The header as nginx names it in its variables."""
        return self.sticky.lower().replace("-", "_")

    def servers(self) -> list[str]:
        """The upstream's lines.

        One server stands several times, so that a request lost with a worker is tried again at its neighbour: nginx
        tries each line once, and a kept-alive connection that turns out to be another of the dead worker's takes a line
        too. Of several servers, one that fails is left out for a while; when all are out at once, each is tried all the
        same. ``hash`` knows no such second choice, so there a failing server is passed over request by request.
        """
        if len(self.upstreams) == 1:
            return [f"{self.upstreams[0]} max_fails=0"] * LINES
        if self.sticky:
            return [f"{server} max_fails=0" for server in self.upstreams]
        first = [f"{server} max_fails=4 fail_timeout=5s" for server in self.upstreams]
        return first + [f"{server} max_fails=0 backup" for server in self.upstreams]


@dataclass(frozen=True)
class Problem:
    """One refusal of nginx's own. ``codes`` are nginx's, some of which no client ever sees."""

    status: int
    detail: str
    codes: Sequence[int]
    retry_after: int = 0

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    @property
    def kind(self) -> str:
        """As the server names it."""
        return self.title.lower().replace(" ", "-")


PROBLEMS = (
    Problem(400, "This is not a request that can be understood.", (400, 495, 496)),
    Problem(403, "This is not for you.", (403,)),
    Problem(404, "There is nothing at this address; GET /docs lists what there is.", (404,)),
    Problem(405, "This method is not answered.", (405,)),
    Problem(408, "The request did not arrive in time.", (408,)),
    Problem(411, "Say how long the body is.", (411,)),
    Problem(413, "The body is too large.", (413,)),
    Problem(414, "The address is too long.", (414,)),
    Problem(426, "This port speaks HTTPS.", (497,)),
    Problem(429, "Too much from this address; slow down.", (429,), retry_after=1),
    Problem(431, "The headers are too large.", (494,)),
    Problem(500, "Something went wrong here. Quote the request_id when you report it.", (500,)),
    Problem(501, "This way to send a body is not understood.", (501,)),
    Problem(502, "No server answered.", (502,), retry_after=1),
    Problem(503, "The service is not available at the moment.", (503,), retry_after=1),
    Problem(504, "No server answered in time.", (504,)),
    Problem(505, "This version of HTTP is not spoken.", (505,)),
)


def render(site: Site) -> str:
    """The configuration as text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - nothing here is HTML; Site lets only plain words in
    )
    text = environment.get_template("nginx.conf.j2").render(
        site=site, tls=site.certificate is not None, servers=site.servers(), problems=PROBLEMS, ciphers=CIPHERS
    )
    lines = text if site.whole else re.sub(r"(?m)^    ", "", text)
    return re.sub(r"\n{3,}", "\n\n", lines)
