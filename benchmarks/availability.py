"""What it costs to notice a changed product and to check a list against the database, at 10,000 and 1,000,000 products.

    python -m benchmarks.availability [--items 10000 1000000] [--json]

Each catalog is a SQLite database in a temporary folder; with DATABASE_URL set, it is that database, which must be empty
of products.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CATEGORIES, BRANDS, AT_ONCE, TURNS, LISTED = 50, 400, 5_000, 50, 10


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{Path(folder) / 'shop.sqlite3'}")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsite.settings")
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        rows = [measure(n) for n in sorted(options.items)]
        _empty()
    if options.json:
        print(json.dumps(rows))
    else:
        _print_table(rows)
    return 0


def measure(items: int) -> dict[str, float]:
    """Milliseconds of each step with so many products, and after how many looks every one of them was compared."""
    import numpy as np

    from recommender import serving
    from recommender.serving import Tally, catalog_state, changed_slice, read_catalog, withdrawn
    from recommender.source import get_source

    _fill(items)
    source = get_source()
    started = time.perf_counter()
    catalog = read_catalog(source, None, Tally())
    read = 1e3 * (time.perf_counter() - started)
    hint = _median(lambda turn: catalog_state(source), 5)
    compared, at, times = 0, 0, []
    compare_for = max(serving.COMPARE_FOR, hint / 1e3)  # as serving does
    while compared < len(catalog.slices):
        started = time.perf_counter()
        changed, here = changed_slice(source, catalog.slices, at, compare_for)
        times.append(1e3 * (time.perf_counter() - started))
        compared += (here - at) % len(catalog.slices) or len(catalog.slices)  # a look may come round
        at = here
        if changed:
            raise SystemExit("error: nothing was changed, and a change was found.")
    rng = np.random.default_rng(0)
    lists = [rng.choice(items, LISTED, replace=False) for _ in range(TURNS)]
    return {
        "items": items,
        "read_ms": read,
        "hint_ms": hint,
        "compare_ms": statistics.median(times),
        "looks": len(times),
        "check_ms": _median(lambda turn: withdrawn(lists[turn], catalog), TURNS),
    }


def _median(work: Callable[[int], Any], turns: int) -> float:
    """Milliseconds of one turn; the first, which compiles the query, is not among them."""
    times = []
    work(0)
    for turn in range(turns):
        started = time.perf_counter()
        work(turn)
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def _fill(items: int) -> None:
    from catalog.models import Product

    for start in range(Product.objects.count(), items, AT_ONCE):
        Product.objects.bulk_create(
            Product(
                key=f"P{n}",
                name=f"Product {n}",
                category=f"Category {n % CATEGORIES}",
                brand=f"Brand {n % BRANDS}",
                price=n % 1000,
            )
            for n in range(start, min(start + AT_ONCE, items))
        )


def _empty() -> None:
    from catalog.models import Product

    Product.objects.all()._raw_delete(Product.objects.db)


def _print_table(rows: list[dict[str, float]]) -> None:
    print(f"Milliseconds; a look is taken once a second, a list holds {LISTED} products")
    print(f"{'items':>10}{'read all':>12}{'hint':>10}{'compare':>10}{'looks until all are':>22}{'check a list':>14}")
    for row in rows:
        print(
            f"{row['items']:>10,}{row['read_ms']:>12,.0f}{row['hint_ms']:>10.1f}{row['compare_ms']:>10.1f}"
            f"{row['looks']:>22,}{row['check_ms']:>14.2f}"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.availability", description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--json", action="store_true", help="print a row for each size as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
