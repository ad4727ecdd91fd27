"""The script that renders nginx's configuration: what it writes, nginx takes."""

import os
import re
from itertools import product
from pathlib import Path

import pytest
from flask import Flask

from app.factory import BLUEPRINTS
from scripts.nginx_site.site import PROBLEMS, Site, render
from tests.certificates import self_signed
from tests.front import run_script
from tests.programs import ROOT, free_port

UPSTREAMS = {
    "one": ["--upstream", "127.0.0.1:8000"],
    "three": ["--upstream", "127.0.0.1:8000", "--upstream", "127.0.0.2:8000", "--upstream", "[::1]:8000"],
    "socket": ["--upstream", "unix:/tmp/sluice.sock"],
}
EXTRAS = {
    "plain": [],
    "sticky": ["--sticky", "X-API-Key"],
    "limits": ["--rate", "5", "--burst", "10", "--connections", "3", "--max-body", "1m", "--max-header", "4k"],
    "behind": ["--real-ip-from", "10.0.0.0/8", "--real-ip-from", "fd00::/8", "--metrics", "--timeout", "5"],
    "named": ["--server-name", "api.example.com", "--hsts", "0", "--access-log", "off"],
}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    certificate, key = self_signed(tmp_path_factory.mktemp("tls"))
    return ["--certificate", str(certificate), "--key", str(key), "--redirect-from", f"127.0.0.1:{free_port()}"]


@pytest.mark.parametrize(
    ("upstream", "extra", "tls", "whole"), list(product(UPSTREAMS, EXTRAS, (True, False), (True, False)))
)
def test_nginx_takes_every_combination(
    tmp_path: Path, secure: list[str], upstream: str, extra: str, tls: bool, whole: bool
) -> None:
    output = tmp_path / "sluice.conf"
    options = [*UPSTREAMS[upstream], *EXTRAS[extra], *(secure if tls else ["--plain-http"])]
    options += ["--whole", "--access-log", "access.log"] if whole and extra != "named" else []
    written = run_script("--output", str(output), "--listen", f"127.0.0.1:{free_port()}", *options)
    assert written.returncode == 0, written.stderr
    assert written.stderr == "", "nginx was asked, and had nothing to say"
    assert output.read_text().startswith("# Written by")


def test_a_configuration_nginx_refuses_replaces_nothing(tmp_path: Path) -> None:
    output = tmp_path / "sluice.conf"
    output.write_text("as it was")
    refused = run_script("--plain-http", "--upstream", "no-such-host.invalid:8000", "--output", str(output))
    assert refused.returncode == 1
    assert "no-such-host.invalid" in refused.stderr
    assert output.read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["sluice.conf"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--certificate", "/tmp/only-half.pem"],
        ["--certificate", "no-such.pem", "--key", "no-such.key"],
        ["--plain-http", "--output", "/proc/none/sluice.conf"],
        ["--plain-http", "--output", "tests"],
        ["--plain-http", "--server-name", "a; return 200"],
        ["--plain-http", "--upstream", "127.0.0.1:8000; include /etc/passwd"],
        ["--plain-http", "--sticky", "X-Key$request_body"],
        ["--plain-http", "--access-log", "/tmp/a b"],
        ["--plain-http", "--max-body", "1m;"],
    ],
)
def test_options_that_make_no_site_are_refused_with_a_reason(options: list[str]) -> None:
    refused = run_script(*options)
    assert refused.returncode == 2
    assert refused.stderr.startswith("render_nginx: ")
    assert refused.stdout == ""


def test_files_are_named_from_where_the_script_was_called(secure: list[str]) -> None:
    certificate, key = (os.path.relpath(path, ROOT) for path in (secure[1], secure[3]))
    printed = run_script("--certificate", certificate, "--key", key)
    assert printed.returncode == 0, printed.stderr
    (named,) = re.findall(r"ssl_certificate (.*);", printed.stdout)
    assert Path(named).is_absolute()
    assert Path(named).samefile(secure[1])
    missing = run_script("--certificate", certificate, "--key", "no-such.key")
    assert missing.stderr == "render_nginx: --key no-such.key: No such file or directory\n"


def test_help_teaches() -> None:
    told = run_script("--help")
    assert told.returncode == 0
    for words in ("--upstream", "nginx -p", "SLUICE_TRUSTED_PROXIES", "Examples:", "[16m]"):
        assert words in told.stdout


def test_without_an_output_it_is_printed() -> None:
    printed = run_script("--plain-http")
    assert printed.returncode == 0
    assert "upstream sluice {" in printed.stdout


def test_one_server_is_listed_often_enough_to_be_asked_again() -> None:
    assert render(Site(upstreams=("127.0.0.1:8000",))).count("server 127.0.0.1:8000 max_fails=0;") == 8
    several = render(Site(upstreams=("127.0.0.1:8000", "127.0.0.1:8001")))
    assert "server 127.0.0.1:8001 max_fails=4 fail_timeout=5s;" in several
    assert "server 127.0.0.1:8001 max_fails=0 backup;" in several
    assert "least_conn;" in several


def test_exactly_the_routes_that_predict_are_asked_twice_after_they_were_sent() -> None:
    before, _, after = render(Site()).partition("non_idempotent")
    assert "non_idempotent" not in after
    pattern = re.compile(re.findall(r"location ~ (\S+) {", before)[-1])
    routes = Flask("routes", static_folder=None)
    for blueprint in BLUEPRINTS:
        routes.register_blueprint(blueprint)
    posts = {
        re.sub("<[^>]+>", "x", rule.rule): routes.view_functions[rule.endpoint].scope == "predict"  # type: ignore[attr-defined]
        for rule in routes.url_map.iter_rules()
        if "POST" in (rule.methods or ())
    }
    assert len(posts) > 10
    assert {path: bool(pattern.search(path)) for path in posts} == posts


def test_every_refusal_of_nginx_has_a_problem_document() -> None:
    text = render(Site())
    for problem in PROBLEMS:
        assert f'"type":"urn:sluice:problem:{problem.kind}"' in text
        for code in problem.codes:
            assert f"error_page {code} " in text
