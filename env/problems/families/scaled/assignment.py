"""Which technician does which job at least cost, with the right certificate and enough working hours.

A limit on the jobs of a technician is optional.
"""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.geography import Place, nearest, places, road
from storm_calm.env.problems.families.scaled.identifiers import CITIES, identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import TEXT, Schema, plan_schema, rows
from storm_calm.env.problems.families.scaled.requirements import Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import Plan, PlanCheck, ScaledFamily, program_of
from storm_calm.env.problems.families.scaled.tables import Column, Data, Parameters, Scalar, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

SKILLS = ("boiler", "chiller", "lift", "switchgear", "fire_alarm", "turbine", "pump")

TABLES = (
    Table(
        key="technicians",
        file="technicians.csv",
        columns=(
            Column("technician_id", "id"),
            Column("home_city", fill=CITIES),
            Column("available_h", "hours"),
            Column("cost_eur_per_h", "wage"),
        ),
    ),
    Table(
        key="certificates",
        file="certificates.csv",
        columns=(
            Column("technician_id", "technician"),
            Column("skill", "skill"),
            Column("issued_by", fill=("TUV", "Bureau Veritas", "DNV")),
        ),
    ),
    Table(
        key="jobs",
        file="jobs.csv",
        columns=(
            Column("job_id", "id"),
            Column("site_id", "site"),
            Column("skill", "skill"),
            Column("duration_min", "minutes"),
        ),
    ),
    Table(
        key="travel",
        file="travel.csv",
        columns=(
            Column("technician_id", "technician"),
            Column("site_id", "site"),
            Column("distance_km", "distance"),
            Column("drive_min", "drive"),
        ),
    ),
    Parameters(
        file="parameters.csv",
        scalars=(Scalar("mileage_eur_per_km", "mileage"), Scalar("max_jobs_per_technician", "max_jobs")),
    ),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw technicians, sites and jobs. Each job has a variable for each technician who can do it."""
    reach = max(3, round(2.2 * size**0.17))
    technicians = identifiers(rng, "T", max(reach, round(size / reach / 6)))
    # The area grows with the company.
    scale = min(1.0, math.sqrt(len(technicians) / 90))

    def places_in_area(count: int) -> list[Place]:
        return [(int(scale * east), int(scale * north)) for east, north in places(rng, count)]

    homes = places_in_area(len(technicians))
    skills = [set(rng.sample(SKILLS, rng.randint(2, 5))) for _ in technicians]
    busy, number = [0] * len(technicians), [0] * len(technicians)
    jobs, travel = [], []
    variables = 0
    job_ids, site_ids = iter(identifiers(rng, "J", size + 3)), iter(identifiers(rng, "S", size))
    while variables < size:
        site, place = next(site_ids), places_in_area(1)[0]
        near = nearest(place, homes, 2 * reach)
        drive = {}
        for i in near:
            distance = road(homes[i], place)
            drive[i] = round(distance * 60 / rng.uniform(50, 85)) + 2
            travel.append({"technician": technicians[i], "site": site, "distance": distance, "drive": drive[i]})
        for _ in range(rng.choice((1, 1, 2, 3))):
            skill, minutes = rng.choice(SKILLS), 15 * rng.randint(4, 32)
            able = [i for i in near if skill in skills[i]]
            if not able:
                able = [rng.choice(near)]
                skills[able[0]].add(skill)
            # A feasible plan: the technician with the fewest hours so far does the job.
            first = min(able, key=lambda i: busy[i])
            busy[first] += minutes + 2 * drive[first]
            number[first] += 1
            variables += len(able)
            jobs.append({"id": next(job_ids), "site": site, "skill": skill, "minutes": minutes})
    data: Data = {
        "technicians": [
            {
                "id": one,
                "hours": max(rng.choice((50, 75, 100)), -(-minutes // 60)),
                "wage": rng.randint(38, 95),
            }
            for one, minutes in zip(technicians, busy, strict=True)
        ],
        "certificates": [
            {"technician": one, "skill": skill}
            for one, own in zip(technicians, skills, strict=True)
            for skill in SKILLS
            if skill in own
        ],
        "jobs": jobs,
        "travel": travel,
        "mileage": round(rng.uniform(0.3, 0.6), 2),
    }
    if rng.random() < 0.35:
        data["max_jobs"] = max(number)
    return data


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} assigns the maintenance jobs of the next three weeks to technicians.",
            "A maintenance company decides which of its technicians does which job in the next three weeks.",
        ),
        "The jobs are in jobs.csv, with the site, the skill that the job needs, and its duration. Each must be done by "
        "exactly one technician.",
        say.one_of(
            "A technician can do a job only with a certificate for its skill, see certificates.csv, and if travel.csv "
            "has a line for the technician and the site.",
            "certificates.csv has the skills of each technician, who can do only jobs that need one of them, and only "
            "at sites to which the technician has a line in travel.csv.",
        ),
        "travel.csv has the distance and the driving time one way. For each job, the technician drives from home to "
        "the site and back.",
        say.one_of(
            "The durations and driving times of a technician's jobs together cannot exceed the hours available_h in "
            "technicians.csv.",
            "A technician works at most available_h hours in these weeks (technicians.csv), driving included.",
        ),
        say.one_of(
            "No technician gets more than max_jobs_per_technician jobs, see parameters.csv.",
            "A technician can do at most max_jobs_per_technician jobs (parameters.csv).",
        )
        if "max_jobs" in data
        else "",
        "An hour of work or driving costs the technician's cost_eur_per_h, and a kilometer mileage_eur_per_km "
        "(parameters.csv).",
        say.one_of(
            "What is the smallest total distance that the technicians drive, in km, whatever the cost?",
            "Not the cost, but the total distance that they drive is minimized. What is it, in km?",
        )
        if _by_distance(data)
        else say.one_of(
            "What is the minimum total cost of work, driving and mileage, in EUR?",
            "Minimize the cost of working hours, driving hours and mileage together. What is it, in EUR?",
        ),
        "The plan lists each job with its technician.",
    )


def _by_distance(data: Data) -> bool:
    """Return whether the distance is minimized instead of the cost."""
    return data.get("goal") == "distance"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    hours: dict[str, dict[int, float]] = {technician["id"]: {} for technician in data["technicians"]}
    jobs: dict[str, dict[int, float]] = {job["id"]: {} for job in data["jobs"]}
    for job, trip, time, cost in _choices(data):
        chosen = model.binary(2.0 * trip["distance"] if _by_distance(data) else cost)
        jobs[job][chosen] = 1.0
        hours[trip["technician"]][chosen] = time
    for choices in jobs.values():
        model.row(choices, low=1.0, high=1.0)
    for technician in data["technicians"]:
        times = hours[technician["id"]]
        model.row(times, high=technician["hours"])
        if "max_jobs" in data:
            model.row(dict.fromkeys(times, 1.0), high=data["max_jobs"])
    return model


def _choices(data: Data) -> Iterator[tuple[str, Data, float, float]]:
    """Yield each job with a trip of a technician who can do it, the hours and the cost."""
    wage = {technician["id"]: technician["wage"] for technician in data["technicians"]}
    certified = {(line["technician"], line["skill"]) for line in data["certificates"]}
    trips: dict[str, list[Data]] = {}
    for trip in data["travel"]:
        trips.setdefault(trip["site"], []).append(trip)
    for job in data["jobs"]:
        for trip in trips[job["site"]]:
            if (trip["technician"], job["skill"]) in certified:
                time = (job["minutes"] + 2 * trip["drive"]) / 60
                yield job["id"], trip, time, time * wage[trip["technician"]] + 2 * trip["distance"] * data["mileage"]


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "assignments": [
            {"job_id": job, "technician_id": trip["technician"]}
            for (job, trip, _, _), one in zip(_choices(data), values, strict=True)
            if one > 0.5
        ]
    }


def schema(data: Data) -> Schema:
    return plan_schema(assignments=rows(len(data["jobs"]), job_id=TEXT, technician_id=TEXT))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    jobs = {job["id"]: job for job in data["jobs"]}
    technicians = {technician["id"]: technician for technician in data["technicians"]}
    certified = {(line["technician"], line["skill"]) for line in data["certificates"]}
    trips = {(trip["technician"], trip["site"]): trip for trip in data["travel"]}
    done, number, hours = Counter[str](), Counter[str](), Counter[str]()
    total = 0.0
    for entry in plan["assignments"]:
        one, who = entry["job_id"], entry["technician_id"]
        if one not in jobs:
            found.violated(f"there is no job {one!r}")
            continue
        if who not in technicians:
            found.violated(f"there is no technician {who!r}")
            continue
        job = jobs[one]
        done[one] += 1
        number[who] += 1
        if (who, job["skill"]) not in certified:
            found.violated(f"technician {who} has no certificate for {job['skill']}, the skill of job {one}")
        trip = trips.get((who, job["site"]))
        if trip is None:
            found.violated(f"technician {who} cannot travel to site {job['site']} of job {one}")
            continue
        time = (job["minutes"] + 2 * trip["drive"]) / 60
        hours[who] += time
        distance = 2 * trip["distance"]
        total += distance if _by_distance(data) else time * technicians[who]["wage"] + distance * data["mileage"]
    for one in jobs:
        if done[one] != 1:
            found.violated(f"job {one} has {done[one]} technicians instead of 1")
    for who, technician in technicians.items():
        found.at_most(hours[who], technician["hours"], f"technician {who} works", "h of at most")
        if "max_jobs" in data:
            found.at_most(number[who], data["max_jobs"], f"technician {who} gets", "jobs of at most")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="technicians", field="hours", words="the hours of technician {id}", unit="h"),
    Limit(field="max_jobs", words="the largest number of jobs of a technician", unit="jobs"),
)


def fewer_jobs(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Allow fewer jobs of a technician than the plan has of one."""
    most = max(Counter(entry["technician_id"] for entry in plan["assignments"]).values()) - rng.choice((1, 2))
    return None if "max_jobs" in data or most < 1 else {**data, "max_jobs": most}


REVISIONS = (
    Revision(
        name="fewer-jobs", kind="constraint", apply=fewer_jobs,
        request=lambda data: f"No technician can get more than {data['max_jobs']} jobs.",
    ),
    Revision(
        name="distance", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "distance"},
        request=lambda data: "The total distance that the technicians drive, to all jobs and back, must now be as "
        "small as possible, in km, whatever the cost.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "assignment",
    distance=(('for cost in choices["cost"].tolist()', 'for cost in (2 * choices["distance_km"]).tolist()'),),
)

FAMILY = ScaledFamily(
    name="assignment", difficulty="easy", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
