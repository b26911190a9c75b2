"""Write the workbook of the lot sizing problem: `python examples/cookbook/make_workbook.py`."""

from datetime import datetime
from pathlib import Path

from openpyxl import Workbook

FILE = Path(__file__).parent / "lot_sizing" / "orders.xlsx"
ORDERS = {
    "jam": (120, 160, 90, 210, None, 180, 240, 130),
    "honey": (60, 40, 110, 80, None, 95, 70, 120),
    "syrup": (200, 150, 0, 260, None, 140, 190, 220),
}
"""Pallets in the weeks 41 to 48. Week 45 has a public holiday, and its cells are empty."""
PRODUCTS = (
    ("product", "setup_eur", "setup_h", "hours_per_pallet", "holding_eur_per_week", "opening_stock"),
    ("jam", 950, 4, 0.08, 2.1, 140),
    ("honey", 780, 3, 0.11, 3.4, 60),
    ("syrup", 1150, 5, 0.06, 1.6, 90),
)


def workbook() -> Workbook:
    """Return the workbook with the sheets orders, products and capacity."""
    book = Workbook()
    book.properties.created = book.properties.modified = datetime(2026, 9, 1)
    orders = book.active
    orders.title = "orders"
    orders.append(["product", "week", "pallets"])
    for product, numbers in ORDERS.items():
        for week, pallets in enumerate(numbers, start=41):
            orders.append([product, f"W{week}", pallets])
    products = book.create_sheet("products")
    for row in PRODUCTS:
        products.append(row)
    capacity = book.create_sheet("capacity")
    capacity.append(["week", "hours"])
    for week in range(41, 49):
        capacity.append([f"W{week}", 20 if week == 45 else 40])
    return book


if __name__ == "__main__":
    workbook().save(FILE)
