"""Breaks a real site again and again, and tells what became of it: `make faults`, or

    python -m tests.faults --times 20 --seed 1 --faults worker,disk --out table.md

Needs PostgreSQL (DATABASE_URL names a database whose user may create others) and redis-server.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.faults.world import World, world

SERVER = "postgres://root@127.0.0.1:5432/root"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="each fault so many times (default 20)")
    parser.add_argument("--seed", type=int, default=None, help="of the moments; printed, so that they can be had again")
    parser.add_argument("--faults", default="", help="only these, comma-separated")
    parser.add_argument("--out", type=Path, help="write the table there")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    only = [name for name in options.faults.split(",") if name]
    with world(os.environ.get("DATABASE_URL", SERVER)) as made:
        for outcomes in break_it(made, options.times, seed, only):
            table = as_table(outcomes, seed, made)
            if options.out:  # after each round: a long evening that is cut short has not been for nothing
                options.out.write_text(table + "\n", encoding="utf-8")
    print(table)
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


def break_it(made: World, times: int, seed: int, only: list[str]) -> Iterator[list]:
    """What came of all trials so far, after each round of faults."""
    os.environ.clear()
    os.environ.update(made.env)
    import django

    django.setup()
    from django.core.management import call_command

    from tests.faults.trials import FAULTS, trial, undisturbed
    from tests.shop import stock_the_shop

    call_command("migrate", verbosity=0)
    stock_the_shop()
    for name in ("broker", "site", "worker", "other worker", "beat"):
        made.start(name)
    made.wait_for_site()
    for _ in range(4):  # in the first one the worker imports torch, and then there is a live model
        run = undisturbed(made)
        assert run.version is not None, f"without any fault run {run.pk} is {run.state}: {run.error}"
    print(f"an undisturbed run takes {made.length:.1f} s", flush=True)
    outcomes = []
    for number in range(times):
        for fault in only or FAULTS:
            outcome = trial(made, fault, random.Random(f"{seed} {fault} {number}"))
            outcomes.append(outcome)
            when = f"{outcome.moment:4.1f} s of {made.length:.1f}"
            line = f"{number + 1:>3} {fault:<9} at {when}: {outcome.state}, attempt {outcome.attempts}"
            print(f"{line}, took {outcome.seconds:.0f} s, {outcome.unanswered} unanswered", flush=True)
            for wrong in outcome.wrong:
                print(f"    WRONG: {wrong}", flush=True)
        yield outcomes


def as_table(outcomes: list, seed: int, made: World) -> str:
    from tests.faults.trials import FAULTS

    lines = [
        "| fault | times | promoted or refused | failed, with why | in another attempt | unanswered | lost | wrong |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for fault, (_, words) in FAULTS.items():
        mine = [outcome for outcome in outcomes if outcome.fault == fault]
        if not mine:
            continue
        ended = sum(outcome.state in ("promoted", "refused") for outcome in mine)
        failed = sum(outcome.state == "failed" for outcome in mine)
        again = sum(outcome.attempts > 1 for outcome in mine)
        unanswered = sum(outcome.unanswered for outcome in mine)
        lost = len(mine) - ended - failed
        wrong = sum(bool(outcome.wrong) for outcome in mine)
        lines.append(f"| {words} | {len(mine)} | {ended} | {failed} | {again} | {unanswered} | {lost} | {wrong} |")
    disk = "a tmpfs" if made.disk_is_real else "no disk of their own: mounting is not allowed here"
    lines += ["", f"Seed {seed}; {made.asked:,} requests for lists; bundles on {disk}."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
