"""Which rescue stations to open at least cost, so that enough of them reach each district in time.

Infeasible if a district can be reached by no station in time. The largest number of stations is optional.
"""

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.geography import road
from storm_calm.env.problems.families.scaled.identifiers import CITIES, identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import TEXT, Schema, listing, plan_schema
from storm_calm.env.problems.families.scaled.requirements import Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import Plan, PlanCheck, ScaledFamily, program_of
from storm_calm.env.problems.families.scaled.tables import Column, Data, Parameters, Scalar, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

TABLES = (
    Table(
        key="stations",
        file="station_sites.csv",
        columns=(
            Column("station_id", "id"),
            Column("municipality", fill=CITIES),
            Column("cost_eur_per_year", "cost"),
            Column("building", fill=("new", "lease", "hall", "new", "container")),
            Column("must_open", "required"),
        ),
    ),
    Table(
        key="districts",
        file="districts.csv",
        columns=(
            Column("district_id", "id"),
            Column("inhabitants", fill=("4120", "880", "12950", "2310", "6470", "1540", "760")),
            Column("max_drive_min", "limit"),
            Column("stations_needed", "needed"),
        ),
    ),
    Table(
        key="times",
        file="drive_times.csv",
        columns=(Column("station_id", "station"), Column("district_id", "district"), Column("drive_min", "minutes")),
    ),
    Parameters(file="parameters.csv", scalars=(Scalar("max_open_stations", "max_open"),)),
)
LISTED = 24
"""Minutes of the longest drives in the file."""


def draw(rng: random.Random, size: int) -> Data:
    """Draw sites and districts on a map whose area grows with their number. Each site has a variable."""
    side = max(30, round(9.5 * size**0.5))
    sites = sorted((rng.randint(0, side), rng.randint(0, side)) for _ in range(size))
    east = [site[0] for site in sites]
    station_ids = identifiers(rng, "ST", size)
    districts: list[Data] = []
    times = []
    for one in identifiers(rng, "D", round(0.7 * size)):
        limit = rng.choice((12, 15, 15, 20))
        within = 0
        while not within:
            place = rng.randint(0, side), rng.randint(0, side)
            near = range(bisect_left(east, place[0] - LISTED), bisect_right(east, place[0] + LISTED))
            # A kilometer takes a minute.
            drives = {i: road(sites[i], place) for i in near if abs(sites[i][1] - place[1]) <= LISTED}
            drives = {i: minutes for i, minutes in drives.items() if minutes <= LISTED}
            within = sum(minutes <= limit for minutes in drives.values())
        districts.append({"id": one, "limit": limit, "needed": 2 if within > 2 and rng.random() < 0.2 else 1})
        times += [{"station": station_ids[i], "district": one, "minutes": drives[i]} for i in drives]
    data: Data = {
        "stations": [{"id": one, "cost": rng.randint(90_000, 700_000)} for one in station_ids],
        "districts": districts,
        "times": times,
    }
    if rng.random() < 0.35:
        data["max_open"] = _greedy_count(data)
    if rng.random() < 0.05:
        remote = rng.choice(districts)
        for line in times:
            if line["district"] == remote["id"]:
                line["minutes"] += remote["limit"]
    return data


def _greedy_count(data: Data) -> int:
    """Return how many stations are opened if the next is always one that meets the most needs."""
    needs = {district["id"]: district["needed"] for district in data["districts"]}
    served: dict[str, list[str]] = {station["id"]: [] for station in data["stations"]}
    for district, stations in _in_time(data).items():
        for station in stations:
            served[station].append(district)
    queue = [(-len(districts), station) for station, districts in served.items()]
    heapify(queue)
    left, count = sum(needs.values()), 0
    while left:
        gain, station = heappop(queue)
        unmet = [district for district in served[station] if needs[district]]
        if len(unmet) < -gain:
            heappush(queue, (-len(unmet), station))
            continue
        for district in unmet:
            needs[district] -= 1
        left, count = left - len(unmet), count + 1
    return count


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} plans the stations of a rescue service.",
            "A rescue service decides at which sites it runs a station.",
        ),
        "The possible sites are in station_sites.csv, with the yearly cost of a station there.",
        "Stations with yes as must_open must be opened." if any("required" in one for one in data["stations"]) else "",
        "For each district, districts.csv has the longest permitted drive (max_drive_min). At least stations_needed "
        "open stations must be able to reach it within this time.",
        say.one_of(
            "The minutes from a station to a district are in drive_times.csv; a pair without a line is too far.",
            "drive_times.csv has the minutes from stations to districts; without a line, the drive is too long.",
        ),
        say.one_of(
            "At most max_open_stations stations can be opened, see parameters.csv.",
            "There are crews for no more than max_open_stations stations (parameters.csv).",
        )
        if "max_open" in data
        else "",
        say.one_of("Each station is either opened or not.", "A site has a whole station or none."),
        say.one_of(
            "What is the smallest number of open stations?",
            "Minimize the number of open stations, whatever they cost. How many are needed?",
        )
        if _by_count(data)
        else say.one_of(
            "What is the minimum total cost in a year, in EUR?",
            "Minimize the yearly cost of all open stations. What is it, in EUR?",
        ),
        "The plan lists the ids of the open stations.",
    )


def _by_count(data: Data) -> bool:
    """Return whether the number of stations is minimized instead of the cost."""
    return data.get("goal") == "count"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    opened = {station["id"]: model.binary(1.0 if _by_count(data) else station["cost"]) for station in data["stations"]}
    stations = _in_time(data)
    for district in data["districts"]:
        model.row({opened[one]: 1.0 for one in stations[district["id"]]}, low=district["needed"])
    for station in data["stations"]:
        if "required" in station:
            model.row({opened[station["id"]]: 1.0}, low=1.0)
    if "max_open" in data:
        model.row(dict.fromkeys(opened.values(), 1.0), high=data["max_open"])
    return model


def _in_time(data: Data) -> dict[str, list[str]]:
    """Return the stations that reach each district in time."""
    limit = {district["id"]: district["limit"] for district in data["districts"]}
    stations: dict[str, list[str]] = {one: [] for one in limit}
    for line in data["times"]:
        if line["minutes"] <= limit[line["district"]]:
            stations[line["district"]].append(line["station"])
    return stations


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "open_stations": [station["id"] for station, one in zip(data["stations"], values, strict=True) if one > 0.5]
    }


def schema(data: Data) -> Schema:
    return plan_schema(open_stations=listing(len(data["stations"]), TEXT))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    cost = {station["id"]: station["cost"] for station in data["stations"]}
    districts = {district["id"]: district for district in data["districts"]}
    opened = Counter[str](plan["open_stations"])
    total = 0
    for one, times in opened.items():
        if one not in cost:
            found.violated(f"there is no station {one!r}")
            continue
        if times > 1:
            found.violated(f"station {one} is listed {times} times among the open ones")
        total += 1 if _by_count(data) else cost[one]
    reached = Counter[str]()
    for line in data["times"]:
        one = line["district"]
        if line["station"] in opened and line["minutes"] <= districts[one]["limit"]:
            reached[one] += 1
    for one, district in districts.items():
        within = f"open stations within {district['limit']} min; it needs"
        found.at_least(reached[one], district["needed"], f"district {one} has", within)
    for station in data["stations"]:
        if "required" in station and station["id"] not in opened:
            found.violated(f"station {station['id']} must be open, but is not")
    if "max_open" in data:
        found.at_most(len(opened), data["max_open"], "the plan opens", "stations of at most")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(field="max_open", words="the largest number of open stations", unit="stations"),
    Limit(table="districts", field="limit", words="the longest permitted drive to district {id}", unit="min"),
    Limit(
        table="districts", field="needed", sense="at least", words="the stations that district {id} needs",
        unit="stations",
    ),
)  # fmt: skip


def fewer_stations(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Allow fewer stations than the plan opens."""
    most = len(plan["open_stations"]) - rng.choice((1, 1, 2))
    return None if "max_open" in data or most < 1 else {**data, "max_open": most}


def required_station(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Require a station that the plan does not open."""
    opened = set(plan["open_stations"])
    stations = list(data["stations"])
    others = [index for index, station in enumerate(stations) if station["id"] not in opened]
    if not others:
        return None
    chosen = rng.choice(others)
    stations[chosen] = {**stations[chosen], "required": "yes"}
    return {**data, "stations": stations}


def required_words(data: Data) -> str:
    chosen = next(station for station in data["stations"] if "required" in station)
    return f"Station {chosen['id']} must be opened, at its usual cost."


REVISIONS = (
    Revision(name="required-station", kind="constraint", apply=required_station, request=required_words),
    Revision(
        name="fewer-stations", kind="constraint", apply=fewer_stations,
        request=lambda data: f"At most {data['max_open']} stations can be open.",
    ),
    Revision(
        name="count", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "count"},
        request=lambda data: "The number of open stations must now be as small as possible, whatever they cost.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "covering",
    count=(
        (
            'cost * opened[station] for station, cost in zip(sites["station_id"], sites["cost_eur_per_year"])',
            "opened[station] for station in opened",
        ),
    ),
)

FAMILY = ScaledFamily(
    name="covering", difficulty="complex", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
