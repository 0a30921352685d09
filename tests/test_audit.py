"""`make audit`: every pin is looked up, and what was not looked up is no pass."""

import importlib.util
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
audit = sys.modules["audit"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(audit)

HOLE = {"id": "GHSA-462w-v97r-4m45", "fix_versions": ["2.10.1"], "aliases": ["CVE-2019-10906"], "description": ""}


def report(**rows):
    """pip-audit's report: no holes, some, or why it was skipped, by name."""
    told = []
    for name, said in rows.items():
        row = {"skip_reason": said} if isinstance(said, str) else {"version": "1.0", "vulns": said}
        told.append({"name": name.replace("_", "-"), **row})
    return {"dependencies": told, "fixes": []}


def pins(*names):
    return [audit.Pin(name, "1.0") for name in names]


@pytest.fixture
def service():
    """A service of known holes that knows one, of Jinja2 2.4.1; its address."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hole = {"id": HOLE["id"], "modified": "2024-01-01T00:00:00Z", "summary": "sandbox escape", "affected": []}
            known = (asked["package"]["name"].lower(), asked["version"]) == ("jinja2", "2.4.1")
            body = json.dumps({"vulns": [hole]} if known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            """Nothing of it belongs into the tests' output."""

    server = HTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()


def test_every_list_of_requirements_is_audited():
    names = {pin.name for pin in audit.read_pins(sorted(ROOT.glob("requirements*.txt")))}
    lists = {path.name for path in ROOT.glob("requirements*.txt")}
    assert {"requirements.txt", "requirements-dev.txt", "requirements-bench.txt", "requirements-milvus.txt"} <= lists
    assert {"django", "pillow", "pytest", "pymilvus", "implicit", "celery", "torch"} <= names


def test_a_pin_with_a_known_hole_fails(service, tmp_path, capsys):
    planted = tmp_path / "requirements.txt"
    planted.write_text("-r other.txt\nJinja2==2.4.1\nsix==1.17.0  # fine\n")
    assert audit.main([str(planted), "--osv-url", service]) == 1
    assert f"HOLE     jinja2==2.4.1: {HOLE['id']}" in capsys.readouterr().err
    planted.write_text("six==1.17.0\n")
    assert audit.main([str(planted), "--osv-url", service]) == 0
    assert "1 pins looked up, 0 known holes, 0 not looked up." in capsys.readouterr().out


def test_a_pin_that_was_skipped_while_others_were_looked_up_fails_and_is_named():
    skipped = report(django=[], torch="Dependency not found on PyPI and could not be audited")
    status, told = audit.conclude(audit.read_report(pins("django", "torch", "gone"), skipped))
    assert status == 1
    assert "SKIPPED  torch==1.0: Dependency not found on PyPI" in told
    assert "SKIPPED  gone==1.0: not in the report" in told
    assert "1 pins looked up, 0 known holes, 2 not looked up." in told


def test_a_service_that_answers_for_nothing_is_told_loudly_and_fails_on_demand(tmp_path, capsys, monkeypatch):
    planted = tmp_path / "requirements.txt"
    planted.write_text("Jinja2==2.4.1\n")
    nobody = "http://127.0.0.1:1/v1/query"
    assert audit.main([str(planted), "--osv-url", nobody]) == 0
    assert "NOTHING WAS CHECKED" in capsys.readouterr().err
    monkeypatch.setenv("AUDIT_REQUIRED", "1")
    assert audit.main([str(planted), "--osv-url", nobody]) == 1
    assert audit.conclude(audit.read_report(pins("a", "b"), report(a="not found", b="not found")))[0] == 2


def test_all_is_well_where_every_pin_was_looked_up():
    assert audit.conclude(audit.read_report(pins("django", "ruamel-yaml"), report(Django=[], ruamel_yaml=[])))[0] == 0
    assert audit.conclude(audit.read_report(pins("jinja2"), report(jinja2=[HOLE])))[0] == 1


@pytest.mark.parametrize("line", ["Django", "Django>=5", "git+https://example.org/x", "./wheel.whl"])
def test_a_line_that_pins_nothing_fails(line, tmp_path, capsys):
    (tmp_path / "requirements.txt").write_text(f"six==1.17.0\n{line}\n")
    assert audit.main([str(tmp_path / "requirements.txt")]) == 1
    assert "requirements.txt, line 2" in capsys.readouterr().err


def test_a_build_of_its_own_is_looked_up_under_its_public_version(tmp_path):
    (tmp_path / "a.txt").write_text('torch==2.13.0+cpu ; python_version > "3"\ncelery[redis]==5.7.0\n')
    assert list(map(str, audit.read_pins([tmp_path / "a.txt"]))) == ["celery==5.7.0", "torch==2.13.0"]
    (tmp_path / "b.txt").write_text("celery==5.6.0\n")
    with pytest.raises(audit.AuditFailed, match=r"b.txt, line 1: celery==5.6.0, but another list has celery==5.7.0"):
        audit.read_pins([tmp_path / "a.txt", tmp_path / "b.txt"])


def test_an_exception_needs_a_reason():
    assert audit.ignored_holes("# for people\nCVE-2026-1 we never call it\n") == ["CVE-2026-1"]
    with pytest.raises(audit.AuditFailed, match="CVE-2026-2 has no reason"):
        audit.ignored_holes("CVE-2026-2\n")
