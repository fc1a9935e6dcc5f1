"""What the simulated business offers: studios, plans with their prices, movements, training templates."""

from dataclasses import dataclass
from typing import NamedTuple


class Studio(NamedTuple):
    """A location. `share` is its part of all customers, `tax_bp` the tax inside its prices in basis points."""

    name: str
    city: str
    country_code: str
    time_zone: str
    currency: str
    share: float
    tax_bp: int
    fee_bp: int
    fee_fixed_minor: int


STUDIOS = (
    Studio("Plyo Kreuzberg", "Berlin", "DE", "Europe/Berlin", "EUR", 0.45, 1900, 150, 25),
    Studio("Plyo Brooklyn", "New York", "US", "America/New_York", "USD", 0.35, 450, 290, 30),
    Studio("Plyo Thảo Điền", "Ho Chi Minh City", "VN", "Asia/Ho_Chi_Minh", "VND", 0.20, 800, 250, 3000),
)
ZONES = [studio.time_zone for studio in STUDIOS]
CURRENCIES = [studio.currency for studio in STUDIOS]


@dataclass(frozen=True)
class Offer:
    """A plan. `one_to_one` sessions a week with the coach, `group` classes a week, `own` workouts besides.

    `prices`: first price by studio, minor units. `share`: part of new customers who choose it.
    """

    code: str
    name: str
    description: str
    kind: str
    sessions_included: int | None
    trial_days: int
    validity_days: int | None
    one_to_one: int
    group: int
    own: int
    prices: tuple[int, int, int]
    share: float


OFFERS = (
    Offer(
        "group", "Group training", "Small classes of up to eight, as many as you like, and a programme for the rest.",
        "membership", None, 14, None, 0, 2, 3, (8900, 12900, 1_390_000), 0.20,
    ),
    Offer(
        "coach-1", "Coaching, once a week",
        "One session a week with your own coach and a programme for the other days.",
        "membership", 5, 14, None, 1, 0, 2, (19900, 27900, 2_900_000), 0.31,
    ),
    Offer(
        "coach-2", "Coaching, twice a week",
        "Two sessions a week with your own coach: the plan most people progress on.",
        "membership", 10, 14, None, 2, 0, 2, (34900, 49900, 5_200_000), 0.26,
    ),
    Offer(
        "unlimited", "Unlimited", "Two sessions a week with your coach and every class in the timetable.",
        "membership", None, 0, None, 2, 1, 2, (44900, 64900, 6_800_000), 0.11,
    ),
    Offer(
        "pack-10", "Ten sessions", "Ten sessions with a coach, to use within a year. No membership needed.",
        "pack", 10, 0, 365, 1, 0, 1, (54900, 79900, 7_900_000), 0.12,
    ),
)  # fmt: skip
PACK = len(OFFERS) - 1
RISES = (0.0, 0.04, 0.06)
"""Each price version over the one before it."""


def price_minor(first: int, version: int) -> int:
    """Price of a version, rounded as price lists are: whole tens of euros and dollars less one, 10,000 dong."""
    amount = float(first)
    for rise in RISES[1 : version + 1]:
        amount *= 1 + rise
    if version == 0:
        return first
    step = 10_000 if first >= 1_000_000 else 100
    return round(amount / step) * step


class Movement(NamedTuple):
    """An exercise. `load` is a trained adult's one-repetition maximum over body weight; 0: no external load.

    `measure` as the product has it; `stretch` is how many metres or seconds a set of it is at first.
    """

    name: str
    pattern: str
    muscle: str
    equipment: str
    load: float
    measure: str = "load"
    stretch: int = 0


MOVEMENTS = (
    Movement("Back Squat", "squat", "quadriceps", "barbell", 1.35),
    Movement("Front Squat", "squat", "quadriceps", "barbell", 1.10),
    Movement("Goblet Squat", "squat", "quadriceps", "dumbbell", 0.50),
    Movement("Box Squat", "squat", "glutes", "barbell", 1.25),
    Movement("Leg Press", "squat", "quadriceps", "machine", 2.40),
    Movement("Bulgarian Split Squat", "squat", "quadriceps", "dumbbell", 0.45),
    Movement("Walking Lunge", "squat", "glutes", "dumbbell", 0.42),
    Movement("Step-Up", "squat", "glutes", "dumbbell", 0.38),
    Movement("Hack Squat", "squat", "quadriceps", "machine", 1.60),
    Movement("Leg Extension", "squat", "quadriceps", "machine", 0.85),
    Movement("Deadlift", "hinge", "hamstrings", "barbell", 1.65),
    Movement("Romanian Deadlift", "hinge", "hamstrings", "barbell", 1.25),
    Movement("Trap Bar Deadlift", "hinge", "glutes", "barbell", 1.70),
    Movement("Sumo Deadlift", "hinge", "glutes", "barbell", 1.60),
    Movement("Hip Thrust", "hinge", "glutes", "barbell", 1.70),
    Movement("Kettlebell Swing", "hinge", "glutes", "kettlebell", 0.42),
    Movement("Single-Leg Romanian Deadlift", "hinge", "hamstrings", "dumbbell", 0.40),
    Movement("Back Extension", "hinge", "lower back", "bodyweight", 0.0),
    Movement("Lying Leg Curl", "hinge", "hamstrings", "machine", 0.65),
    Movement("Good Morning", "hinge", "hamstrings", "barbell", 0.70),
    Movement("Bench Press", "push", "chest", "barbell", 1.00),
    Movement("Incline Bench Press", "push", "chest", "barbell", 0.82),
    Movement("Dumbbell Bench Press", "push", "chest", "dumbbell", 0.40),
    Movement("Overhead Press", "push", "shoulders", "barbell", 0.62),
    Movement("Seated Dumbbell Press", "push", "shoulders", "dumbbell", 0.27),
    Movement("Push-Up", "push", "chest", "bodyweight", 0.0),
    Movement("Dip", "push", "triceps", "bodyweight", 0.0),
    Movement("Cable Fly", "push", "chest", "cable", 0.28),
    Movement("Lateral Raise", "push", "shoulders", "dumbbell", 0.13),
    Movement("Triceps Pushdown", "push", "triceps", "cable", 0.42),
    Movement("Landmine Press", "push", "shoulders", "barbell", 0.45),
    Movement("Arnold Press", "push", "shoulders", "dumbbell", 0.23),
    Movement("Pull-Up", "pull", "back", "bodyweight", 0.0),
    Movement("Chin-Up", "pull", "back", "bodyweight", 0.0),
    Movement("Lat Pulldown", "pull", "back", "cable", 0.85),
    Movement("Barbell Row", "pull", "back", "barbell", 0.90),
    Movement("One-Arm Dumbbell Row", "pull", "back", "dumbbell", 0.42),
    Movement("Seated Cable Row", "pull", "back", "cable", 0.82),
    Movement("Chest-Supported Row", "pull", "back", "dumbbell", 0.36),
    Movement("Face Pull", "pull", "rear shoulders", "cable", 0.30),
    Movement("Barbell Curl", "pull", "biceps", "barbell", 0.46),
    Movement("Hammer Curl", "pull", "biceps", "dumbbell", 0.20),
    Movement("Inverted Row", "pull", "back", "bodyweight", 0.0),
    Movement("Straight-Arm Pulldown", "pull", "back", "cable", 0.38),
    Movement("Farmer's Carry", "carry", "grip", "dumbbell", 0.55, "distance", 40),
    Movement("Suitcase Carry", "carry", "obliques", "kettlebell", 0.40, "distance", 40),
    Movement("Overhead Carry", "carry", "shoulders", "kettlebell", 0.22, "distance", 30),
    Movement("Sandbag Carry", "carry", "full body", "sandbag", 0.60, "distance", 20),
    Movement("Plank", "core", "abdominals", "bodyweight", 0.0, "time", 40),
    Movement("Dead Bug", "core", "abdominals", "bodyweight", 0.0),
    Movement("Hanging Knee Raise", "core", "abdominals", "bodyweight", 0.0),
    Movement("Pallof Press", "core", "obliques", "cable", 0.22),
    Movement("Ab Wheel Rollout", "core", "abdominals", "bodyweight", 0.0),
    Movement("Cable Crunch", "core", "abdominals", "cable", 0.55),
    Movement("Side Plank", "core", "obliques", "bodyweight", 0.0, "time", 25),
    Movement("Rowing Intervals", "conditioning", "full body", "rower", 0.0, "distance", 250),
    Movement("Assault Bike Sprints", "conditioning", "full body", "bike", 0.0),
    Movement("Sled Push", "conditioning", "legs", "sled", 1.10),
    Movement("Burpee", "conditioning", "full body", "bodyweight", 0.0),
    Movement("Ski Erg Intervals", "conditioning", "full body", "ski erg", 0.0, "distance", 200),
    Movement("Box Jump", "conditioning", "legs", "box", 0.0),
    Movement("Battle Ropes", "conditioning", "shoulders", "ropes", 0.0),
)
"""What programmes are made of."""

MEASURED = (
    Movement("Assisted Pull-Up", "pull", "back", "machine", 0.3, "assistance"),
    Movement("Running", "conditioning", "legs", "none", 0.0, "distance"),
    Movement("Rowing", "conditioning", "full body", "rower", 0.0, "distance"),
    Movement("Farmer's Walk", "carry", "grip", "dumbbell", 0.55, "distance"),
)
"""More that is measured otherwise: to be logged, in nobody's programme."""

DAY_PATTERNS = (
    ("Lower body A", ("squat", "hinge", "squat", "hinge", "core", "carry")),
    ("Upper body A", ("push", "pull", "push", "pull", "pull", "core")),
    ("Lower body B", ("hinge", "squat", "hinge", "squat", "core", "conditioning")),
    ("Upper body B", ("pull", "push", "pull", "push", "push", "core")),
)
FULL_BODY_PATTERNS = (
    ("Full body A", ("squat", "push", "pull", "hinge", "core", "carry")),
    ("Full body B", ("hinge", "pull", "push", "squat", "core", "conditioning")),
    ("Full body C", ("push", "squat", "pull", "hinge", "carry", "core")),
    ("Full body D", ("pull", "hinge", "push", "squat", "conditioning", "core")),
)
GOALS = ("strength", "muscle", "fat_loss", "endurance", "general_fitness")
GOAL_REPS = (5, 8, 12, 15, 10)
GOAL_PROGRAMMES = (
    ("Strength Base", "Heavy Fives", "Peak Strength"),
    ("Hypertrophy Block", "Upper/Lower Build", "Volume Cycle"),
    ("Lean & Strong", "Metabolic Strength", "Cut and Keep"),
    ("Engine Builder", "Race Ready Strength", "Durability Block"),
    ("All-Round Foundations", "Move Better, Lift More", "Everyday Athlete"),
)
LEVELS = ("beginner", "intermediate", "advanced")
CLASSES = (
    "Strong Start", "Barbell Club", "Kettlebell Conditioning", "Engine Room", "Mobility & Core", "Lift & Sweat",
    "Saturday Grind", "Hyrox Prep", "Glutes & Hinge", "Upper Body Pump",
)  # fmt: skip
SPECIALITIES = (
    "strength", "fat loss", "running", "post-natal", "rehabilitation", "mobility", "powerlifting", "hyrox",
    "older adults", "beginners", "kettlebells", "boxing fitness",
)  # fmt: skip
INJURIES = ("lower back", "knee", "shoulder", "ankle", "wrist", "hip", "hamstring", "elbow")
DEVICES = ("apple_watch", "garmin", "oura", "fitbit", "whoop")
LEAD_SOURCES = ("instagram", "google", "referral", "walk_in", "website", "corporate")
