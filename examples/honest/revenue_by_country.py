"""Revenue by country out of a CSV of orders: leaves summary.csv, and result.json with the totals."""
import csv
import io
import json
from collections import defaultdict
from decimal import Decimal, InvalidOperation

with open("input.json", encoding="utf-8") as file:
    orders = csv.DictReader(io.StringIO(json.load(file)["csv"]))

revenue, count, skipped = defaultdict(Decimal), defaultdict(int), 0
for order in orders:
    try:
        amount = int(order["quantity"]) * Decimal(order["unit_price_eur"])
    except (TypeError, ValueError, InvalidOperation):
        skipped += 1  # cancelled, or cut off on the way
        continue
    revenue[order["country"]] += amount
    count[order["country"]] += 1

with open("summary.csv", "w", encoding="utf-8", newline="") as file:
    summary = csv.writer(file)
    summary.writerow(["country", "orders", "revenue_eur"])
    for country in sorted(revenue, key=revenue.get, reverse=True):
        summary.writerow([country, count[country], f"{revenue[country]:.2f}"])

total = sum(revenue.values())
with open("result.json", "w", encoding="utf-8") as file:
    json.dump({"orders": sum(count.values()), "skipped": skipped, "revenue_eur": f"{total:.2f}"}, file)
print(f"{sum(count.values())} orders from {len(count)} countries, {total:.2f} EUR, {skipped} lines skipped")
