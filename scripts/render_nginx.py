r"""Writes the nginx configuration that stands in front of the server.

Examples:
  # Behind a public name, one server on this machine, for Debian's /etc/nginx/conf.d:
  python scripts/render_nginx.py --server-name api.example.com \
      --certificate /etc/ssl/api.pem --key /etc/ssl/private/api.key \
      --redirect-from 80 --output /etc/nginx/conf.d/sluice.conf

  # Two servers; callers with the same X-API-Key always come to the same one:
  python scripts/render_nginx.py --upstream 10.0.0.11:8000 --upstream 10.0.0.12:8000 --sticky X-API-Key ...

  # A unix socket, plain HTTP on this machine only, a complete nginx.conf to run right away:
  HOST=unix:/run/sluice/sluice.sock SLUICE_TRUSTED_PROXIES=unix gunicorn
  python scripts/render_nginx.py --upstream unix:/run/sluice/sluice.sock --plain-http --listen 127.0.0.1:8080 \
      --whole --access-log access.log --output /tmp/sluice/nginx.conf
  nginx -p /tmp/sluice -c /tmp/sluice/nginx.conf -g 'daemon off;'

The server must be told whose X-Forwarded-For to believe: SLUICE_TRUSTED_PROXIES=127.0.0.1 (or unix). What is written
was accepted by `nginx -t` where nginx is installed; otherwise nothing is written and the reason is printed.
docs/nginx.md explains each part.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.nginx_site.check import complaint, find_nginx, write
from scripts.nginx_site.site import Site, render


def main() -> int:
    """Exit status 1 when nginx does not take the configuration, 2 when an option makes none."""
    arguments = _parser().parse_args()
    try:
        site = _site(arguments)
    except ValueError as error:
        print(f"render_nginx: {error}", file=sys.stderr)
        return 2
    text = render(site)
    nginx = None if arguments.no_check else find_nginx()
    if nginx and (reason := complaint(nginx, site, text)):
        print(f"nginx does not take it:\n{reason}", file=sys.stderr)
        return 1
    if not nginx:
        print("not checked by nginx", file=sys.stderr)
    if not arguments.output:
        sys.stdout.write(text)
        return 0
    try:
        write(arguments.output, text)
    except OSError as error:
        print(f"render_nginx: --output {arguments.output}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _site(arguments: argparse.Namespace) -> Site:
    """The options as a site.

    Raises:
        ValueError: TLS without its files, or a value nginx could misread.
    """
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    plain = given.pop("plain_http")
    if not plain and not (arguments.certificate and arguments.key):
        raise ValueError("give --certificate and --key, or --plain-http for use on this machine")
    for name in ("output", "no_check", *(("certificate", "key") if plain else ())):
        given.pop(name, None)
    for name in () if plain else ("certificate", "key"):
        given[name] = _from_here(name, given[name], checked=not arguments.no_check)
    return Site(**({"listen": ("127.0.0.1:8080",)} if plain else {}) | given)


def _from_here(name: str, path: Path, checked: bool) -> Path:
    """The whole path, because nginx would look beside its own configuration.

    Raises:
        ValueError: nginx shall be asked, and the file is not there or out of reach.
    """
    try:
        if checked:
            path.stat()
    except OSError as error:
        raise ValueError(f"--{name} {path}: {error.strerror}") from None
    return path.absolute()


def _parser() -> argparse.ArgumentParser:
    about, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many = {"action": "append", "metavar": "ADDRESS"}
    add = parser.add_argument
    add("--upstream", dest="upstreams", **many, help="a server, host:port or unix:/path; repeat it [127.0.0.1:8000]")
    add("--listen", **many, help="where to listen; repeat it [443, or 127.0.0.1:8080 with --plain-http]")
    add("--server-name", metavar="NAME", help="answer this name only [any]")
    add("--certificate", type=Path, metavar="FILE", help="PEM file with the chain; must be there, unless --no-check")
    add("--key", type=Path, metavar="FILE", help="PEM file with the private key")
    add("--plain-http", action="store_true", help="no TLS; for this machine, or behind something that has it")
    add("--redirect-from", metavar="PORT", help="send plain HTTP on this port to HTTPS")
    add("--hsts", type=int, metavar="SECONDS", help="Strict-Transport-Security; 0 leaves it out [31536000]")
    add("--sticky", metavar="HEADER", help="same value, same server; for caches that are not shared")
    add("--real-ip-from", **many, help="a proxy before nginx whose X-Forwarded-For is true; repeat it")
    add("--rate", type=int, metavar="N", help="requests per second and address [500]")
    add("--burst", type=int, metavar="N", help="how many may come at once beyond that [1000]")
    add("--connections", type=int, metavar="N", help="requests at a time per address [128]")
    add("--max-body", metavar="SIZE", help="largest body; not less than SLUICE_MAX_BODY_BYTES [16m]")
    add("--max-header", metavar="SIZE", help="longest header or request line [8k]")
    add("--timeout", type=int, metavar="SECONDS", help="how long an answer may take [60]")
    add("--metrics", action="store_true", default=None, help="let /metrics through")
    add("--access-log", metavar="FILE", help="JSON lines, or off [/var/log/nginx/sluice.access.log]")
    add("--error-log", metavar="FILE", help="with --whole [stderr]")
    add("--whole", action="store_true", default=None, help="a complete nginx.conf, not a site for conf.d")
    add("--output", type=Path, metavar="FILE", help="where to write, in one step [standard output]")
    add("--no-check", action="store_true", help="do not ask nginx")
    return parser


if __name__ == "__main__":
    sys.exit(main())
