"""The notebook of docs/engine.md, run as it stands on a frame of the seed's columns."""

import random
import re
from pathlib import Path

import pandas as pd

from tests.customers.importing.retail_file import GOOD, PRODUCTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "engine.md"
CUSTOMERS, EACH = 60, 5


def df_clean() -> pd.DataFrame:
    """Customers who buy what their own two categories have, one purchase a week."""
    draw = random.Random(0)
    rows = []
    for customer in range(CUSTOMERS):
        mine = [p for p in PRODUCTS if p[0] in draw.sample(sorted({p[0] for p in PRODUCTS}), 3)]
        for week in range(EACH):
            category, brand, kind, name = draw.choice(mine)
            rows.append(
                GOOD
                | {
                    "Customer_ID": 10_000 + customer,
                    "Age": draw.randint(18, 70),
                    "Date": f"9/{1 + 5 * week}/2023",
                    "Amount": draw.uniform(5, 500),
                    "Total_Purchases": draw.randint(1, 9),
                    "Ratings": draw.randint(1, 5),
                    "Product_Category": category,
                    "Product_Brand": brand,
                    "Product_Type": kind,
                    "products": name,
                }
            )
    return pd.DataFrame(rows)


def test_the_notebook_runs_and_answers(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(code.splitlines()) < 40
    monkeypatch.chdir(tmp_path)
    frame = df_clean()
    frame.to_csv("df_clean.csv", index=False)
    said: dict = {}
    exec(code, said)
    bought = set(frame.loc[frame["Customer_ID"] == 10_000, "products"])
    names = {name for _, _, _, name in PRODUCTS}
    listed = {r.item for r in said["known"]}
    assert listed
    assert listed <= names - bought
    assert len({r.item for r in said["newcomer"]}) == 5
    assert len(said["batch"]) == CUSTOMERS
    assert [r.item for r in said["batch"][0]] == [r.item for r in said["known"]]
    assert 0 <= said["stars"] <= 5
    assert said["trained"].curve
