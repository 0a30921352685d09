"""gunicorn, started as deploy/gunicorn.conf.py has it."""

import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent


def environment_of(tmp_path):
    return {
        "PATH": "/usr/bin:/bin",
        "DEBUG": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "VAR_DIR": str(tmp_path),
        "HOME": str(tmp_path),
    }


@contextmanager
def site(tmp_path, workers, **environment):
    """The port of a site that answers, and the pids of its workers."""
    port = free_port()
    environment |= environment_of(tmp_path) | {"WEB_CONCURRENCY": str(workers)}
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "-b", f"127.0.0.1:{port}"]
    gunicorn = subprocess.Popen([*command, "recsite.wsgi"], cwd=ROOT, env=environment)
    try:
        end, children = time.monotonic() + 60, Path(f"/proc/{gunicorn.pid}/task/{gunicorn.pid}/children")
        while not answers(port) or len(children.read_text().split()) < workers:
            assert gunicorn.poll() is None, "the site ended"
            assert time.monotonic() < end, "the site does not answer"
            time.sleep(0.2)
        yield port, children.read_text().split()
    finally:
        gunicorn.terminate()
        gunicorn.wait(30)


def answers(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=10).status == 200
    except OSError:
        return False


def own_part(pid):
    """The share of a process's memory, files left out, that no other process has, too."""
    told = dict(re.findall(r"^(\w+): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M))
    return int(told["Pss_Anon"]) / int(told["Anonymous"])


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="asks Linux")
def test_several_workers_share_what_they_import_and_one_has_no_copy_behind_it(tmp_path):
    with site(tmp_path, workers=2) as (_, workers):
        assert len(workers) == 2
        assert all(own_part(pid) < 0.8 for pid in workers)
    with site(tmp_path, workers=1) as (_, workers):
        assert len(workers) == 1
        assert own_part(workers[0]) > 0.8


def test_a_body_in_chunks_is_refused_and_not_taken_for_none(tmp_path):
    with site(tmp_path, workers=1) as (port, _):
        for address, kind in [("/api/v1/recommendations/", "application/problem+json"), ("/cart/", "text/html")]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            body = (part for part in [b'{"customer": ', b'"ada"}'])
            connection.request("POST", address, body, {"Content-Type": "application/json"}, encode_chunked=True)
            answer = connection.getresponse()
            assert (answer.status, answer.headers.get_content_type()) == (411, kind)
            assert "Content-Length" in answer.read().decode()
            connection.close()


def test_a_worker_that_ends_leaves_no_list_off_the_record(own_database, tmp_path):
    seed = [sys.executable, "manage.py", *["seed_shop", "--customers", "5", "--products", "5", "--purchases", "20"]]
    subprocess.run(seed, cwd=ROOT, env=environment_of(tmp_path), check=True, capture_output=True)
    with site(tmp_path, workers=1) as (port, _):
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/recommendations/", b"{}", {"Content-Type": "application/json"}
        )
        shown = [json.load(urllib.request.urlopen(asked, timeout=30))["recommendation_id"] for _ in range(3)]
    with closing(sqlite3.connect(own_database)) as database:
        on_record = [uuid.UUID(row[0]) for row in database.execute("SELECT id FROM recommender_servedlist")]
    assert sorted(map(str, on_record)) == sorted(shown)
