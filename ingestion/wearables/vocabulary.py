"""One vocabulary of activities, and the words and codes by which sources call them.

A word that no list knows is `other`, beside the source's own word in `source_type`; nothing is guessed from names.
"""

OTHER = "other"

_TERRA = {
    "transport": "0 In Vehicle|117 Elevator|118 Escalator|135 Driving|136 Off-Road Driving|137 Motorbiking|143 Flying",
    "rest": "3 Still|5 Tilting|154 Physical Therapy",
    "cycling": "1 Biking|14 Hand Biking|15 Mountain Biking|16 Road Biking|19 Utility Biking|150 Gravel Cycling"
    "|152 E-Biking|153 E-Mountain Biking",
    "indoor_cycling": "17 Spinning|18 Stationary Biking|103 Ergometer",
    "walking": "7 Walking|93 Walking for Fitness|94 Nordic Walking|95 Treadmill Walking|116 Walking with Stroller",
    "running": "8 Running|56 Jogging|57 Running on Sand|58 Treadmill Running|88 Treadmill|133 Indoor Running"
    "|149 Trail Running|141 Orienteering",
    "hiking": "35 Hiking|75 Snowshoeing|130 Mountaineering",
    "swimming": "82 Swimming|83 Swimming in Pool|84 Open Water Swimming",
    "rowing": "53 Rowing|54 Rowing Machine",
    "strength": "21 Calisthenics|41 Kettlebell Training|80 Strength Training|97 Weightlifting",
    "interval_training": "22 Circuit Training|47 P90X Exercises|113 CrossFit|114 HIIT|115 Interval Training",
    "cardio": "9 Aerobics|25 Elliptical|39 Jumping Rope|77 Stair Climbing|78 Stair Climbing Machine"
    "|123 Cardio Training",
    "dance": "24 Dancing|101 Zumba",
    "yoga": "100 Yoga",
    "pilates": "49 Pilates",
    "mobility": "33 Gymnastics|125 Stretching",
    "mindfulness": "45 Meditation|122 Guided Breathing",
    "climbing": "52 Rock Climbing",
    "combat": "20 Boxing|26 Fencing|42 Kickboxing|44 Martial Arts|46 Mixed Martial Arts",
    "racket_sport": "10 Badminton|51 Racquetball|76 Squash|85 Table Tennis|87 Tennis|134 Padel Tennis",
    "team_sport": "11 Baseball|12 Basketball|23 Cricket|27 American Football|28 Australian Football|29 English Football"
    "|30 Frisbee|34 Handball|36 Hockey|50 Polo|55 Rugby|86 Team Sports|89 Volleyball|90 Beach Volleyball"
    "|91 Indoor Volleyball|96 Water Polo|120 Softball|124 Lacrosse|147 Gaelic Football|148 Hurling",
    "water_sport": "40 Kayaking|43 Kitesurfing|59 Sailing|60 Scuba Diving|79 Stand Up Paddleboarding|81 Surfing"
    "|92 Wakeboarding|99 Windsurfing|102 Diving|129 Paddling|132 Water Skiing|140 Canoeing",
    "winter_sport": "13 Biathlon|65 Skiing|66 Back Country Skiing|67 Cross Country Skiing|68 Downhill Skiing"
    "|69 Kite Skiing|71 Sledding|73 Snowboarding|104 Ice Skating|106 Curling",
    "skating": "61 Skateboarding|62 Skating|63 Cross Skating|64 Indoor Rollerblading|70 Roller Skiing"
    "|105 Indoor Skating|127 Inline Skating",
    "multisport": "126 Triathlon|151 Multisport",
    "household": "31 Gardening|38 Housework",
    OTHER: "4 Unknown|32 Golf|37 Horseback Riding|48 Paragliding|74 Snowmobile|98 Wheelchair"
    "|108 Other|119 Archery|128 Sky Diving|131 Fishing|138 Motor Racing|139 Enduro|142 Hang Gliding"
    "|144 Hot Air Ballooning|145 Jet Skiing|146 Power Boating",
}
_WORDS = {
    "cycling": "bike|biking|cycling|road_biking|mountain_biking|outdoor bike|mountain bike|bicycling|e_biking"
    "|gravel_cycling",
    "indoor_cycling": "spinning|indoor_cycling|stationary bike|virtual_ride|indoor cycling",
    "walking": "walk|walking|speed_walking|casual_walking|treadmill_walking|indoor_walking",
    "running": "run|running|treadmill|treadmill_running|trail_running|indoor_running|track_running|street_running"
    "|virtual_run|treadmill run|outdoor run",
    "hiking": "hike|hiking|mountaineering|snow_shoe|snowshoeing",
    "swimming": "swim|swimming|lap_swimming|open_water_swimming|pool swim",
    "rowing": "rowing|indoor_rowing|rowing_v2|row",
    "strength": "strength_training|weights|weightlifting|strength training|kettlebell|calisthenics",
    "interval_training": "hiit|interval workout|circuit training|bootcamp|crossfit",
    "cardio": "aerobic workout|cardio|cardio_training|elliptical|stair_climbing|stairclimber|indoor_cardio|jump_rope"
    "|fitness_equipment|floor_climbing|aerobics",
    "dance": "dance|dancing|zumba",
    "yoga": "yoga",
    "pilates": "pilates",
    "mobility": "stretching|mobility|flexibility_training|gymnastics",
    "mindfulness": "meditation|breathwork",
    "climbing": "rock_climbing|bouldering|indoor_climbing|climbing",
    "combat": "boxing|kickboxing|martial arts|mixed_martial_arts|fencing",
    "racket_sport": "tennis|badminton|squash|table_tennis|padel|racquetball|pickleball|racket",
    "team_sport": "soccer|basketball|football|american_football|rugby|volleyball|hockey|handball|cricket"
    "|baseball|sport",
    "water_sport": "kayaking|surfing|sailing|stand_up_paddleboarding|paddling|windsurfing|kitesurfing|water_tubing",
    "winter_sport": "resort_skiing_snowboarding|backcountry_skiing_snowboarding|cross_country_skiing|skiing"
    "|snowboarding|ice_skating|alpine_skiing|resort_skiing|resort_snowboarding",
    "skating": "inline_skating|skating|skating_ws",
    "multisport": "multi_sport|multisport|triathlon",
}


def _listed(by_type: dict[str, str]) -> list[tuple[str, str]]:
    return [(entry, ours) for ours, entries in by_type.items() for entry in entries.split("|")]


TERRA_TYPES = {entry.split(" ")[0]: ours for entry, ours in _listed(_TERRA)}
"""By Terra's number (OpenAPI `ActivityType`)."""

TERRA_NAMES = {entry.split(" ")[0]: entry.split(" ", 1)[1] for entry, _ in _listed(_TERRA)}

WORDS = dict(_listed(_WORDS))
"""By the lower-case word of Fitbit, Garmin, FIT, GPX or TCX."""

TYPES = frozenset(_TERRA)
