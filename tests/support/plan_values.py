"""The values of a linear model's variables for a plan: the inverse of a scaled family's `plan`, written anew for tests.

values = VALUES["facility"](data, plan)
fits(family.model(data), values)       # Whether the plan satisfies the model.
"""


def transportation(data, plan):
    tons = {(one["plant_id"], one["customer_id"]): one["tons"] for one in plan["deliveries"]}
    return [tons.get((lane["plant"], lane["customer"]), 0.0) for lane in data["lanes"]]


def facility(data, plan):
    pallets = {(one["depot_id"], one["customer_id"]): one["pallets"] for one in plan["deliveries"]}
    opened = [float(depot["id"] in plan["open_depots"]) for depot in data["depots"]]
    return [*opened, *(pallets.get((lane["depot"], lane["customer"]), 0.0) for lane in data["lanes"])]


def knapsack(data, plan):
    return [float(request["id"] in plan["accepted"]) for request in data["requests"]]


def production(data, plan):
    weeks = max(row["week"] for row in data["capacity"])
    units = {(one["item_id"], one["week"]): one["units"] for one in plan["production"]}
    demand = {(row["item"], row["week"]): row["units"] for row in data["demand"]}
    values = []
    for item in data["items"]:
        made = [units.get((item["id"], week), 0.0) for week in range(1, weeks + 1)]
        stock, kept = item["stock"], []
        for week in range(1, weeks + 1):
            stock += made[week - 1] - demand.get((item["id"], week), 0)
            kept.append(stock)
        values += [*made, *kept, *(float(one > 0) for one in made)]
    return values


VALUES = {
    "transportation": transportation,
    "facility": facility,
    "knapsack": knapsack,
    "production": production,
}


def fits(model, values, tolerance=1e-6):
    """Return whether the values satisfy bounds and rows, within a tolerance relative to each limit."""

    def within(amount, low, high):
        return low - tolerance * max(1.0, abs(low)) <= amount <= high + tolerance * max(1.0, abs(high))

    bounds = all(within(value, 0.0, high) for value, high in zip(values, model.upper, strict=True))
    return bounds and all(
        within(sum(factor * values[index] for index, factor in row.items()), low, high) for row, low, high in model.rows
    )


def objective(model, values):
    return sum(cost * value for cost, value in zip(model.costs, values, strict=True))
