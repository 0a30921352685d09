"""The app's own tests on MariaDB: `make test-mariadb`. Arguments go to pytest.

MARIADB_URL names the server (mysql://root@127.0.0.1:3306/two_towers unless set); each process of the tests makes a
database of its own there. Where no server answers, nothing is tested, which is an error under CI=true.
"""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pymysql

DEFAULT_URL = "mysql://root@127.0.0.1:3306/two_towers"
# What trains for long or reads no database tells nothing more here than on SQLite.
ELSEWHERE = (
    *("reports", "experiments/test_sequential.py", "registry/test_vector_index.py", "management/test_training.py"),
    *("serving/test_standalone.py", "serving/test_one_account.py", "serving/test_buy_again.py"),
    *("admin/test_looks.py", "test_extras.py"),  # processes of their own, on SQLite
)


def server_problem(url: str) -> str | None:
    """Why no server answers at this address; None where one does."""
    at = urlsplit(url)
    try:
        pymysql.connect(
            host=at.hostname, port=at.port or 3306, user=at.username, password=at.password or "", connect_timeout=5
        ).close()
    except pymysql.err.OperationalError as error:
        return f"no MariaDB answers at {at.hostname}:{at.port or 3306} ({error.args[-1]})"
    return None


def main(arguments: list[str]) -> int:
    url = os.environ.get("MARIADB_URL", DEFAULT_URL)
    problem = server_problem(url)
    if problem:
        print(f"The tests on MariaDB were not run: {problem}. MARIADB_URL names another server.", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    left_out = [f"--ignore=tests/recommender/{name}" for name in ELSEWHERE]
    # Of the foreign project's users those whose keys have no order: the others would double the time.
    left_out += ["-k", "not (test_foreign_shapes and (integer_users or custom_users))"]
    command = [sys.executable, "-m", "pytest", "-n", "3", "--dist", "worksteal", "tests/recommender", *left_out]
    environment = {**os.environ, "DATABASE_URL": url, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *arguments], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
