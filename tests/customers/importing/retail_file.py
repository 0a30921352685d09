"""Files of the retail CSV's full shape, made up, with the faults of the real one."""

import csv
import random
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

GOOD = {
    "Transaction_ID": "8691788.0",
    "Customer_ID": "37249.0",
    "Name": "Michelle Harrington",
    "Email": "m@example.com",
    "Phone": "1414786801.0",
    "Address": "3959 Amanda Burgs",
    "City": "Dortmund",
    "State": "Berlin",
    "Zipcode": "77985.0",
    "Country": "Germany",
    "Age": "21.0",
    "Gender": "Male",
    "Income": "Low",
    "Customer_Segment": "Regular",
    "Date": "9/18/2023",
    "Year": "2023.0",
    "Month": "September",
    "Time": "22:03:55",
    "Total_Purchases": "3.0",
    "Amount": "108.03",
    "Total_Amount": "324.09",
    "Product_Category": "Clothing",
    "Product_Brand": "Nike",
    "Product_Type": "Shorts",
    "Feedback": "Excellent",
    "Shipping_Method": "Same-Day",
    "Payment_Method": "Debit Card",
    "Order_Status": "Shipped",
    "Ratings": "5.0",
    "products": "Cycling shorts",
}
COLUMNS = list(GOOD)

PRODUCTS = (
    ("Electronics", "Apple", "Smartphone", "iPhone 14"),
    ("Electronics", "Samsung", "Tablet", "Galaxy Tab"),
    ("Clothing", "Zara", "Shirt", "Linen shirt"),
    ("Clothing", "Adidas", "Jacket", "Rain jacket"),
    ("Books", "HarperCollins", "Fiction", "Historical fiction"),
    ("Books", "Penguin Books", "Children's", "Picture book"),
    ("Grocery", "Coca-Cola", "Soft Drink", "Cherry cola"),
    ("Home Decor", "Bed Bath & Beyond", "Bedding", "Duvet cover"),
)


def row(**said: object) -> dict[str, object]:
    """A good row, but for what is said."""
    assert said.keys() <= GOOD.keys(), said
    return {**GOOD, **said}


def write(path: Path, rows: Iterable[dict[str, object]], **how: object) -> Path:
    """`how` goes to the file and its CSV writer: encoding, delimiter, lineterminator."""
    encoding = how.pop("encoding", "utf-8")
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, COLUMNS, **{"lineterminator": "\n", **how})
        writer.writeheader()
        writer.writerows(rows)
    return path


def generated(size: int, *, customers: int, seed: int) -> Iterator[dict[str, object]]:
    """Good rows, dates in the formats that the real file mixes, a few optional cells empty."""
    rng = random.Random(seed)
    first_day = date(2023, 3, 1)
    for number in range(size):
        category, brand, kind, name = rng.choice(PRODUCTS)
        day = first_day + timedelta(days=rng.randrange(365))
        quantity, price = rng.randint(1, 10), round(rng.uniform(10, 500), 2)
        who = rng.randrange(customers)
        made = row(
            Transaction_ID=f"{1_000_000 + number}.0",
            Customer_ID=f"{10_000 + who}.0",
            Name=f"Person {who}",
            Age=f"{18 + who % 50}.0",
            Gender=("Male", "Female")[who % 2],
            Income=("Low", "Medium", "High")[who % 3],
            Date=rng.choice(
                (f"{day.month}/{day.day}/{day.year}", f"{day:%Y-%m-%d}", f"{day:%d-%m-%y}", f"{day:%d %b %Y}")
            ),
            Year=f"{day.year}.0",
            Month=f"{day:%B}",
            Time=f"{rng.randrange(24)}:{rng.randrange(60):02}:{rng.randrange(60):02}",
            Total_Purchases=f"{quantity}.0",
            Amount=price,
            Total_Amount=round(price * quantity, 2),
            Product_Category=category,
            Product_Brand=brand,
            Product_Type=kind,
            Ratings=f"{rng.randint(1, 5)}.0",
            products=name,
        )
        for column in ("Name", "Age", "Gender", "Income", "Feedback", "Shipping_Method", "Ratings", "products"):
            if rng.random() < 0.01:
                made[column] = rng.choice(("", "nan"))
        yield made
