"""Data to measure on: a snapshot folder, the layouts of MovieLens, the Complete Journey and Online Retail, a file of
sequences, or generated shops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from recommender.engine.data.tables import Tables, from_frame, read_snapshot
from recommender.engine.errors import SnapshotError


def read(data: str) -> Tables:
    """The tables of a folder in any layout known here, of a file of sequences, or of a generated shop by its name
    ("wholesale")."""
    if data in GENERATED:
        return GENERATED[data]()
    folder = Path(data)
    if folder.is_file():
        return sequences(folder)
    for marker, reader in READERS.items():
        if (folder / marker).exists():
            return reader(folder)
    raise SnapshotError(f"{folder} holds none of {', '.join(READERS)}, and no generated shop has that name.")


def movielens_100k(folder: Path) -> Tables:
    """Ratings 1 to 5 with age, gender and occupation; films by first genre and decade, all genres and title."""
    ratings = pd.read_csv(folder / "u.data", sep="\t", names=["user", "item", "rating", "time"])
    users = pd.read_csv(folder / "u.user", sep="|", names=["user", "age", "gender", "occupation", "zip"])
    films = pd.read_csv(folder / "u.item", sep="|", header=None, encoding="latin-1")
    flags = films.iloc[:, 5:].to_numpy()
    genres = [tuple(np.flatnonzero(row).astype(str)) for row in flags]
    films = pd.DataFrame({"item": films[0], "title": films[1], "genre": flags.argmax(1), "genres": genres})
    return _movielens(ratings, users, films)


def movielens_1m(folder: Path) -> Tables:
    def table(name: str, columns: list[str]) -> pd.DataFrame:
        return pd.read_csv(folder / name, sep="::", names=columns, engine="python", encoding="latin-1")

    users = table("users.dat", ["user", "gender", "age", "occupation", "zip"])
    films = table("movies.dat", ["item", "title", "genres"])
    films["genres"] = films["genres"].str.split("|")
    films["genre"] = films["genres"].str[0]
    return _movielens(table("ratings.dat", ["user", "item", "rating", "time"]), users, films)


def _movielens(ratings: pd.DataFrame, users: pd.DataFrame, films: pd.DataFrame) -> Tables:
    films["decade"] = films["title"].str.extract(r"\((\d{3})\d\)\s*$", expand=False)
    frame = ratings.merge(users, on="user").merge(films[["item", "genre", "decade", "genres", "title"]], on="item")
    frame = frame.astype({"genre": str, "occupation": str, "decade": object})
    return from_frame(
        frame.sort_values("time", kind="stable"),
        user="user",
        item="item",
        time="time",
        rating="rating",
        user_categorical=["gender", "occupation"],
        user_numerical=["age"],
        item_categorical=["genre", "decade"],
        item_text=["title"],
        item_multi=["genres"],
    )


def complete_journey(folder: Path) -> Tables:
    """Groceries: purchases of households, a third of them with demographics."""
    bought = pd.read_csv(folder / "transactions_sample.csv", dtype={"household_id": str, "product_id": str})
    people = pd.read_csv(folder / "demographics.csv", dtype=str)
    products = pd.read_csv(folder / "products.csv", dtype=str)
    fields = ["age", "income", "home_ownership", "marital_status", "household_size", "kids_count"]
    kinds = ["department", "brand", "product_category", "product_type"]
    bought["time"] = pd.to_datetime(bought["transaction_timestamp"])
    frame = bought.merge(people, on="household_id", how="left").merge(products, on="product_id", how="left")
    return from_frame(
        frame.sort_values("time", kind="stable"),
        user="household_id",
        item="product_id",
        time="time",
        user_categorical=fields,
        item_categorical=kinds,
        item_text=kinds[2:],
    )


def online_retail(folder: Path) -> Tables:
    """Orders of a wholesaler of gifts. Left out: rows without a customer, cancelled invoices, gifts and corrections
    (no quantity or price), and what is no product (postage, fees, samples: codes that do not begin with five digits).
    """
    rows = pd.read_csv(folder / "online_retail.csv", dtype=str, keep_default_na=False)
    sold = (pd.to_numeric(rows["Quantity"]) > 0) & (pd.to_numeric(rows["UnitPrice"]) > 0)
    product = rows["StockCode"].str.match(r"\d{5}")
    rows = rows[(rows["CustomerID"] != "") & ~rows["InvoiceNo"].str.startswith("C") & sold & product]
    customer = rows["CustomerID"].str.removesuffix(".0")
    frame = pd.DataFrame({"user": customer, "item": rows["StockCode"], "time": pd.to_datetime(rows["InvoiceDate"])})
    frame["description"], frame["price"] = rows["Description"], pd.to_numeric(rows["UnitPrice"])
    content = {"item_text": ["description"], "item_numerical": ["price"]}
    return from_frame(frame.sort_values("time", kind="stable"), user="user", item="item", time="time", **content)


def sequences(file: Path) -> Tables:
    """A line a user: the user, then the items in order. There are no times: the place in the line stands for one."""
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = [(user, item, float(place)) for user, *items in lines for place, item in enumerate(items)]
    if not rows:
        raise SnapshotError(f"{file} has no line with a user and an item.")
    frame = pd.DataFrame(rows, columns=["user", "item", "time"])
    return from_frame(frame, user="user", item="item", time="time")


def wholesale(
    customers: int = 3_000, items: int = 3_000, lines: int = 250_000, families: int = 150, seed: int = 1
) -> Tables:
    """A wholesaler: big baskets whose inner order is noise, with item-item structure planted.

    Each item has a few companions that are bought with it or soon after; each customer stocks a handful of families,
    comes back every few weeks and draws most of a basket from companions of what was bought before, the rest from its
    families and from what sells (a long tail). Nothing of it is a feature: the purchases alone say so.
    """
    rng = np.random.default_rng(seed)
    family = rng.integers(0, families, items)
    popularity = (1 + np.arange(items)) ** -0.8
    rng.shuffle(popularity)
    popularity /= popularity.sum()
    members = [np.flatnonzero(family == f) for f in range(families)]
    companions = np.array(
        [rng.choice(members[f], 6) if rng.random() < 0.8 else rng.integers(0, items, 6) for f in family]
    )
    user, item, time = [], [], []
    baskets = rng.geometric(0.2, customers) + 1
    size = lines / baskets.sum()
    for u in range(customers):
        mine = np.concatenate([members[f] for f in rng.choice(families, rng.integers(2, 6), replace=False)])
        weight = popularity[mine] / popularity[mine].sum()
        before: list[int] = []
        day = float(rng.integers(0, 300))
        for _ in range(baskets[u]):
            n = max(int(rng.lognormal(np.log(size) - 0.3, 0.8)), 1)
            kind = rng.choice(3, n, p=[0.5, 0.35, 0.15]) if before else np.ones(n, dtype=int)
            recent = np.array(before[-60:] or [0])
            basket = np.where(
                kind == 0,
                companions[rng.choice(recent, n), rng.integers(0, 6, n)],
                np.where(kind == 1, rng.choice(mine, n, p=weight), rng.choice(items, n, p=popularity)),
            )
            basket = np.unique(basket)
            rng.shuffle(basket)
            user += [u] * len(basket)
            item += basket.tolist()
            time += [1.7e9 + 86_400 * day] * len(basket)
            before += basket.tolist()
            day += float(rng.integers(5, 40))
    frame = pd.DataFrame({"user": user, "item": item, "time": time}).sort_values("time", kind="stable")
    return from_frame(frame, user="user", item="item", time="time")


def thin(customers: int = 20_000, items: int = 8_000, seed: int = 2) -> Tables:
    """Short histories and no profile: people walk through a catalog from one item to a neighbour of it."""
    rng = np.random.default_rng(seed)
    topic = rng.normal(size=(items, 6))
    popularity = (1 + np.arange(items)) ** -0.9
    rng.shuffle(popularity)
    popularity /= popularity.sum()
    near = np.empty((items, 12), dtype=np.int64)
    for i in range(items):
        near[i] = np.argsort(((topic - topic[i]) ** 2).sum(1))[1:13]
    odds = (popularity[near] + 1e-5) / (popularity[near] + 1e-5).sum(1, keepdims=True)
    length = np.minimum(2 + rng.geometric(0.22, customers), 60)
    user, item, time = [], [], []
    for u in range(customers):
        at = rng.choice(items, p=popularity)
        now = 1.7e9 + 3e7 * rng.random()
        for n in range(length[u]):
            user.append(u)
            item.append(at)
            time.append(now)
            now += 86_400 * rng.exponential(10)
            back = item[-1 - int(rng.integers(0, min(n + 1, 3)))]
            at = rng.choice(near[back], p=odds[back]) if rng.random() < 0.6 else rng.choice(items, p=popularity)
    frame = pd.DataFrame({"user": user, "item": item, "time": time}).sort_values("time", kind="stable")
    return from_frame(frame, user="user", item="item", time="time")


def shop(purchases: int = 100_000, seed: int = 3) -> Tables:
    """A shop of any size: twenty purchases a customer on average, a fiftieth as many products as purchases.

    Products are of kinds, of which each customer has three; two purchases in three stay with the kind of the one
    before. Within a kind few products sell most. Gender and age lean to kinds; products show their kind and one of ten
    brands; every other purchase is rated, higher where the kind is the customer's first.
    """
    rng = np.random.default_rng(seed)
    customers, items = max(purchases // 20, 20), max(purchases // 50, 100)
    kinds = max(int(items**0.5) // 2, 5)
    user = np.sort((customers * rng.beta(1, 1.5, purchases)).astype(int))
    place = np.arange(purchases) - np.searchsorted(user, user)
    # Three kinds each, near to one another on a ring; a gender and an age move the place on it.
    gender, age = rng.integers(0, 2, customers), rng.integers(18, 80, customers)
    home = (kinds * (0.5 * gender + (age - 18) / 124) + rng.normal(0, kinds / 20 + 1, customers)).astype(int)
    own = (home[:, None] + rng.integers(-2, 3, (customers, 3))) % kinds
    moves = (rng.random(purchases) < 1 / 3) | (place == 0)
    stays_since = np.maximum.accumulate(np.where(moves, np.arange(purchases), 0))
    turn = rng.choice(3, purchases, p=[0.5, 0.3, 0.2])[stays_since]
    kind = own[user, turn]
    per_kind = items // kinds
    item = kind * per_kind + (per_kind * rng.random(purchases) ** 3).astype(int)
    rating = np.clip(np.rint(3.6 + 0.8 * (turn == 0) - 0.8 * (turn == 2) + rng.normal(0, 0.8, purchases)), 1, 5)
    frame = pd.DataFrame(
        {
            "user": user,
            "item": item,
            "time": 1.7e9 + 86_400 * (7.0 * place + rng.random(purchases)),
            "rating": np.where(rng.random(purchases) < 0.5, rating, np.nan),
            "gender": np.array(["F", "M"])[gender[user]],
            "age": age[user],
            "kind": item // per_kind,
            "brand": item * 7 % 10,
        }
    )
    features = {"user_categorical": ["gender"], "user_numerical": ["age"], "item_categorical": ["kind", "brand"]}
    return from_frame(frame, user="user", item="item", time="time", rating="rating", **features)


def _snapshot(folder: Path) -> Tables:
    return read_snapshot(folder)


READERS = {
    "schema.json": _snapshot,
    "u.data": movielens_100k,
    "ratings.dat": movielens_1m,
    "transactions_sample.csv": complete_journey,
    "online_retail.csv": online_retail,
}
GENERATED = {"wholesale": wholesale, "thin": thin, "shop": shop}
__all__ = ["GENERATED", "READERS", "read"]
