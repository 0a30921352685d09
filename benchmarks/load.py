"""Asks one site the same kind of question again and again: N clients, each with a connection that stays open.

A process of its own, whose work is not counted as the site's: a job as JSON on standard input, what each request took
on standard output.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from itertools import cycle, islice

TIMEOUT = 30.0


@dataclass(frozen=True)
class Job:
    """bodies : what is posted, one after the other; several clients share them out, as far as there are enough.
    seconds : how long to go on.   warm_up : requests of each client that are not counted.
    """

    port: int
    path: str
    bodies: list[str]
    token: str
    clients: int
    seconds: float
    warm_up: int = 5

    def requests(self) -> list[bytes]:
        head = f"Host: 127.0.0.1:{self.port}\r\nAuthorization: Token {self.token}\r\nContent-Type: application/json\r\n"
        line = f"POST {self.path} HTTP/1.1\r\n{head}"
        return [f"{line}Content-Length: {len(body)}\r\n\r\n{body}".encode() for body in self.bodies]


@dataclass(frozen=True)
class Answers:
    """seconds : of every request that was answered with 200.   failed : what came instead, for all others.
    versions : the models that answered, in their order.   elapsed : seconds from the first request to the last answer.
    """

    seconds: list[float]
    failed: list[str]
    versions: list[str]
    elapsed: float


class Client(threading.Thread):
    def __init__(self, job: Job, number: int):
        super().__init__(daemon=True)
        self.job, self.number = job, number
        self.seconds: list[float] = []
        self.failed: list[str] = []
        self.versions: list[str] = []
        self.started = self.ended = 0.0

    def questions(self) -> list[bytes]:
        """The requests that are this client's, of all of the job's."""
        requests = self.job.requests()
        return requests[self.number % len(requests) :: self.job.clients]

    def run(self) -> None:
        mine = cycle(self.questions())
        with self._connection() as connection, connection.makefile("rb") as reader:
            for request in islice(mine, self.job.warm_up):
                _ask(connection, reader, request)
            self.started = time.perf_counter()
            while (asked := time.perf_counter()) - self.started < self.job.seconds:
                status, body = _ask(connection, reader, next(mine))
                took = time.perf_counter() - asked
                if status == 200:
                    self.seconds.append(took)
                    self._note_version(body)
                else:
                    self.failed.append(f"{status}: {body[:200]!r}")
            self.ended = time.perf_counter()

    def _connection(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.job.port), TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _note_version(self, body: bytes) -> None:
        version = body.partition(b'"model_version":"')[2].partition(b'"')[0].decode()
        if version and version not in self.versions[-1:]:
            self.versions.append(version)


def _ask(connection: socket.socket, reader, request: bytes) -> tuple[int, bytes]:
    """Status and body. A connection that breaks off raises OSError: nothing that is served may do so."""
    connection.sendall(request)
    line = reader.readline()
    if not line:
        raise ConnectionError("The site closed the connection.")
    length = 0
    while (header := reader.readline()) not in (b"\r\n", b""):
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(line.split()[1]), reader.read(length)


def run(job: Job) -> Answers:
    clients = [Client(job, number) for number in range(job.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    broken = ["The connection broke off." for client in clients if not client.ended]
    return Answers(
        seconds=[took for client in clients for took in client.seconds],
        failed=[failure for client in clients for failure in client.failed] + broken,
        versions=list(dict.fromkeys(version for client in clients for version in client.versions)),
        elapsed=max(client.ended for client in clients) - min(client.started for client in clients),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(run(Job(**json.load(sys.stdin))))))
