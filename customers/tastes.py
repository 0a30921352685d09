"""What the generated shop sells and who wants it: the interests that `seed_shop` plants. Data only."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One type of product within an interest. Kinds are listed in the order in which people come to need them."""

    type: str
    price: float
    brands: tuple[str, ...]


class Interest(NamedTuple):
    """A taste. `age`, `women` and `income` say whom it suits: centre of the ages, odds for women, odds by income."""

    name: str
    category: str
    age: int
    women: float
    income: dict[str, float]
    kinds: tuple[Kind, ...]
    lines: tuple[str, ...]  # what stands between brand and type in a product's name
    repeats: bool = False  # used up and bought again


ANY_INCOME = {"Low": 1.0, "Medium": 1.0, "High": 1.0}
RICHER = {"Low": 0.3, "Medium": 1.0, "High": 2.2}
POORER = {"Low": 1.8, "Medium": 1.0, "High": 0.5}

_SPORT = ("Nike", "Adidas", "Asics", "Brooks")
_BOOKS = ("Penguin Books", "Random House", "HarperCollins")
_TITLES = tuple(
    f"{first} {second}"
    for second in ("Harbour", "Orchard", "Lighthouse", "Winter", "Garden", "Letter", "River", "House", "Summer", "Map")
    for first in ("The Silent", "A Distant", "The Glass", "Last", "The Paper", "An Honest", "The Hidden", "Northern")
)

# A small shop has the first few of these only, so the plainest tastes come first.
INTERESTS = (
    Interest(
        "running", "Sports", 30, 1.0, ANY_INCOME,
        (
            Kind("Running shoes", 110, _SPORT),
            Kind("Running socks", 14, _SPORT),
            Kind("Running shorts", 38, _SPORT),
            Kind("Running jacket", 85, _SPORT),
            Kind("GPS watch", 240, ("Garmin", "Polar", "Coros")),
            Kind("Hydration vest", 95, ("Salomon", "Camelbak")),
        ),
        ("Stride", "Tempo", "Breeze", "Trail", "Ultra", "Marathon", "Sprint", "Cadence", "Horizon", "Featherweight"),
    ),
    Interest(
        "phones and computers", "Electronics", 27, 0.6, RICHER,
        (
            Kind("Smartphone", 720, ("Apple", "Samsung", "Sony")),
            Kind("Headphones", 160, ("Sony", "Samsung", "Apple")),
            Kind("Tablet", 480, ("Apple", "Samsung")),
            Kind("Laptop", 1150, ("Apple", "Lenovo", "Dell")),
            Kind("Smartwatch", 290, ("Apple", "Samsung")),
            Kind("Television", 690, ("Samsung", "Sony")),
        ),
        ("Air", "Pro", "Neo", "Edge", "One", "Max", "Lite", "Prime", "Studio", "Vision"),
    ),
    Interest(
        "novels", "Books", 58, 1.8, ANY_INCOME,
        (
            Kind("Fiction", 16, _BOOKS),
            Kind("Thriller", 14, _BOOKS),
            Kind("Literature", 18, _BOOKS),
            Kind("Non-Fiction", 21, _BOOKS),
        ),
        _TITLES,
    ),
    Interest(
        "fashion", "Clothing", 24, 4.0, ANY_INCOME,
        (
            Kind("Dress", 58, ("Zara", "Mango", "H&M")),
            Kind("Shirt", 34, ("Zara", "Mango", "H&M")),
            Kind("Jeans", 52, ("Zara", "Levi's", "H&M")),
            Kind("Ankle boots", 88, ("Zara", "Mango", "Clarks")),
            Kind("Coat", 130, ("Zara", "Mango", "H&M")),
            Kind("Handbag", 70, ("Zara", "Mango")),
        ),
        ("Linen", "Velvet", "Classic", "Riviera", "Midnight", "Ivory", "Sienna", "Weekend", "Tailored", "Boho"),
    ),
    Interest(
        "pantry", "Grocery", 45, 1.0, POORER,
        (
            Kind("Coffee", 7, ("Nestle", "Lavazza", "Illy")),
            Kind("Chocolate", 3, ("Nestle", "Lindt")),
            Kind("Snacks", 4, ("Nestle", "Pepsi")),
            Kind("Juice", 4, ("Coca-Cola", "Pepsi")),
            Kind("Soft Drink", 2, ("Coca-Cola", "Pepsi")),
            Kind("Water", 1, ("Nestle", "Coca-Cola", "Pepsi")),
        ),
        ("Original", "Zero", "Organic", "Family", "Intense", "Gold", "Fresh", "Light", "Orange", "Mountain"),
        repeats=True,
    ),
    Interest(
        "furnishing", "Home Decor", 40, 1.5, RICHER,
        (
            Kind("Armchair", 210, ("IKEA", "Home Depot")),
            Kind("Table lamp", 55, ("IKEA", "Philips")),
            Kind("Vase", 28, ("IKEA", "Home Depot")),
            Kind("Bed linen", 64, ("Bed Bath & Beyond", "IKEA")),
            Kind("Bath towels", 35, ("Bed Bath & Beyond", "IKEA")),
            Kind("Rug", 120, ("IKEA", "Bed Bath & Beyond")),
        ),
        ("Nordic", "Oak", "Loft", "Cosy", "Terracotta", "Walnut", "Harmony", "Studio", "Country", "Marble"),
    ),
    Interest(
        "gaming", "Electronics", 20, 0.25, ANY_INCOME,
        (
            Kind("Game console", 420, ("Sony", "Nintendo", "Microsoft")),
            Kind("Video game", 55, ("Sony", "Nintendo", "Electronic Arts")),
            Kind("Game controller", 62, ("Sony", "Nintendo", "Logitech")),
            Kind("Gaming headset", 90, ("Logitech", "Razer")),
            Kind("Gaming mouse", 58, ("Logitech", "Razer")),
            Kind("Gaming chair", 230, ("Razer", "Secretlab")),
        ),
        ("Phantom", "Nova", "Arcade", "Dragon", "Legend", "Turbo", "Galaxy", "Quest", "Shadow", "Rally"),
    ),
    Interest(
        "cooking", "Kitchen", 50, 1.6, RICHER,
        (
            Kind("Frying pan", 48, ("Tefal", "Le Creuset")),
            Kind("Chef's knife", 75, ("Zwilling", "Victorinox")),
            Kind("Casserole", 140, ("Le Creuset", "Staub")),
            Kind("Food processor", 190, ("Bosch", "KitchenAid")),
            Kind("Baking tin", 22, ("Tefal", "KitchenAid")),
            Kind("Cookbook", 25, ("Penguin Books", "HarperCollins")),
        ),
        ("Copper", "Bistro", "Provence", "Steel", "Artisan", "Everyday", "Ceramic", "Sunday", "Signature", "Iron"),
    ),
    Interest(
        "camping", "Sports", 36, 0.6, ANY_INCOME,
        (
            Kind("Tent", 230, ("The North Face", "Vaude", "Coleman")),
            Kind("Sleeping bag", 110, ("The North Face", "Vaude", "Coleman")),
            Kind("Hiking boots", 140, ("Salomon", "The North Face")),
            Kind("Rucksack", 120, ("Osprey", "Vaude")),
            Kind("Camping stove", 55, ("Coleman", "Primus")),
            Kind("Head torch", 32, ("Petzl", "Black Diamond")),
        ),
        ("Summit", "Ridge", "Glacier", "Forest", "Canyon", "Lakeside", "Alpine", "Moss", "Granite", "Meadow"),
    ),
    Interest(
        "beauty", "Beauty", 32, 6.0, ANY_INCOME,
        (
            Kind("Face cream", 28, ("L'Oreal", "Nivea", "Clinique")),
            Kind("Shampoo", 9, ("L'Oreal", "Garnier")),
            Kind("Lipstick", 18, ("Maybelline", "Clinique")),
            Kind("Perfume", 72, ("Chanel", "Clinique")),
            Kind("Mascara", 15, ("Maybelline", "L'Oreal")),
        ),
        ("Rose", "Pure", "Silk", "Hydra", "Aqua", "Bloom", "Radiance", "Almond", "Velour", "Amber"),
        repeats=True,
    ),
    Interest(
        "garden", "Garden", 65, 1.2, ANY_INCOME,
        (
            Kind("Spade", 32, ("Gardena", "Fiskars")),
            Kind("Flower seeds", 4, ("Kiepenkerl", "Suttons")),
            Kind("Plant pot", 19, ("Elho", "IKEA")),
            Kind("Watering system", 75, ("Gardena", "Hozelock")),
            Kind("Lawn mower", 260, ("Bosch", "Gardena")),
        ),
        ("Cottage", "Evergreen", "Spring", "Sunflower", "Patio", "Willow", "Harvest", "Classic", "Lavender", "Robin"),
    ),
    Interest(
        "small children", "Toys", 34, 2.2, ANY_INCOME,
        (
            Kind("Building blocks", 42, ("Lego", "Playmobil")),
            Kind("Picture book", 11, _BOOKS),
            Kind("Puzzle", 16, ("Ravensburger", "Lego")),
            Kind("Board game", 29, ("Ravensburger", "Hasbro")),
            Kind("Soft toy", 24, ("Steiff", "Hasbro")),
        ),
        ("Farm", "Pirate", "Rainbow", "Dinosaur", "Castle", "Jungle", "Rocket", "Fairy", "Train", "Ocean"),
    ),
)  # fmt: skip

COLOURS = ("black", "white", "blue", "green", "red", "grey", "sand", "plum")
PLACES = (
    ("UK", "England", "London"),
    ("UK", "England", "Portsmouth"),
    ("UK", "Scotland", "Edinburgh"),
    ("USA", "New York", "New York"),
    ("USA", "California", "San Francisco"),
    ("USA", "Texas", "Austin"),
    ("Germany", "Berlin", "Berlin"),
    ("Germany", "Bavaria", "Munich"),
    ("Australia", "New South Wales", "Sydney"),
    ("Canada", "Ontario", "Toronto"),
)
WOMEN = ("Emma", "Olivia", "Amelia", "Sophia", "Mia", "Grace", "Laura", "Hannah", "Chloe", "Julia", "Nora", "Alice")
MEN = ("Liam", "Noah", "Oliver", "James", "Ethan", "Lucas", "Daniel", "Samuel", "Henry", "Jonas", "David", "Adam")
FAMILIES = (
    "Smith", "Jones", "Taylor", "Brown", "Wilson", "Evans", "Walker", "Wright", "Green", "Hall", "Wood", "Clarke",
    "Schmidt", "Weber", "Fischer", "Garcia", "Miller", "Davis", "Nguyen", "Martin", "Moore", "Clark", "Young", "King",
)  # fmt: skip
