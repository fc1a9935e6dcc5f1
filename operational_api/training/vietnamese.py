"""What movements, muscles and kit are called in Vietnamese, by hand: the catalogue's own words are English only.

Phrases are of a movement's English name; a name has those of its phrases that are in it, the longest first. Names that
no phrase is in are found by their muscles and kit. Data; how it is searched is in `training.service.exercises`.
"""

import unicodedata
from collections.abc import Iterable

LANGUAGE = "vi"
MUSCLES = {
    "abdominals": "cơ bụng", "abductors": "cơ dạng đùi", "adductors": "cơ khép đùi", "back": "lưng",
    "biceps": "tay trước", "calves": "bắp chân", "chest": "ngực", "forearms": "cẳng tay", "full body": "toàn thân",
    "glutes": "mông", "grip": "lực nắm", "hamstrings": "đùi sau", "lats": "cơ xô", "legs": "chân",
    "lower back": "lưng dưới", "middle back": "lưng giữa", "neck": "cổ", "obliques": "cơ liên sườn",
    "quadriceps": "đùi trước", "rear shoulders": "vai sau", "shoulders": "vai", "traps": "cầu vai",
    "triceps": "tay sau",
}  # fmt: skip
KIT = {
    "band": "dây kháng lực", "barbell": "tạ đòn", "bike": "xe đạp", "bodyweight": "trọng lượng cơ thể", "box": "bục",
    "cable": "cáp", "dumbbell": "tạ đơn", "e-z curl bar": "tạ đòn cong", "exercise ball": "bóng tập",
    "foam roll": "con lăn", "kettlebell": "tạ ấm", "machine": "máy tập", "medicine ball": "bóng tạ",
    "none": "không dụng cụ", "other": "dụng cụ khác", "ropes": "dây thừng", "rower": "máy chèo", "sandbag": "bao cát",
    "ski erg": "máy trượt tuyết", "sled": "xe trượt",
}  # fmt: skip
PHRASES = {
    # legs and hips
    "squat": "gánh tạ, ngồi xổm", "back squat": "gánh tạ sau", "front squat": "gánh tạ trước",
    "goblet squat": "ngồi xổm ôm tạ", "box squat": "gánh tạ ngồi bục", "hack squat": "gánh tạ máy nghiêng",
    "split squat": "chùng chân tại chỗ", "bulgarian split squat": "chùng chân kiểu Bulgaria",
    "leg press": "đạp đùi", "lunge": "chùng chân", "lunges": "chùng chân", "walking lunge": "chùng chân bước đi",
    "step up": "bước lên bục", "leg extension": "đá đùi trước", "leg extensions": "đá đùi trước",
    "leg curl": "móc đùi sau", "leg curls": "móc đùi sau", "calf raise": "nhón bắp chân",
    "calf raises": "nhón bắp chân", "deadlift": "nâng tạ đất, kéo tạ đất", "sumo deadlift": "nâng tạ đất kiểu sumo",
    "romanian deadlift": "nâng tạ đất kiểu Rumani", "stiff legged deadlift": "nâng tạ đất thẳng chân",
    "trap bar deadlift": "nâng tạ đất đòn lục giác", "hip thrust": "đẩy hông", "glute bridge": "cầu mông",
    "good morning": "cúi chào", "back extension": "ưỡn lưng", "hyperextensions": "ưỡn lưng",
    "kettlebell swing": "vung tạ ấm", "kettlebell swings": "vung tạ ấm", "glute kickback": "đá mông sau",
    "pull through": "kéo cáp qua háng", "wall sit": "ngồi dựa tường",
    # pushing
    "bench press": "đẩy ngực", "incline bench press": "đẩy ngực dốc lên", "decline bench press": "đẩy ngực dốc xuống",
    "dumbbell bench press": "đẩy ngực tạ đơn", "close grip barbell bench press": "đẩy ngực tay hẹp",
    "chest press": "đẩy ngực máy", "floor press": "đẩy ngực nằm sàn", "push up": "hít đất, chống đẩy",
    "push ups": "hít đất, chống đẩy", "pushups": "hít đất, chống đẩy", "pushup": "hít đất, chống đẩy",
    "dip": "xà kép", "dips": "xà kép", "bench dips": "nhún ghế tay sau", "fly": "ép ngực", "flyes": "ép ngực",
    "butterfly": "ép ngực máy", "crossover": "ép ngực cáp chéo", "pullover": "kéo tạ qua đầu",
    "shoulder press": "đẩy vai", "military press": "đẩy vai đứng", "overhead press": "đẩy vai qua đầu",
    "push press": "đẩy vai nhún gối", "arnold press": "đẩy vai Arnold", "arnold dumbbell press": "đẩy vai Arnold",
    "seated dumbbell press": "đẩy vai ngồi tạ đơn", "landmine press": "đẩy đòn chống góc",
    "lateral raise": "nâng vai ngang", "side lateral raise": "nâng vai ngang", "front raise": "nâng vai trước",
    "rear delt": "vai sau", "reverse flyes": "ép vai sau", "upright row": "kéo tạ dọc thân",
    "triceps pushdown": "ép cáp tay sau", "triceps extension": "duỗi tay sau", "skullcrusher": "duỗi tay sau nằm",
    "lying triceps press": "duỗi tay sau nằm", "kickback": "đá tay sau",
    # pulling
    "pull up": "hít xà, kéo xà", "pull ups": "hít xà, kéo xà", "pullups": "hít xà, kéo xà",
    "chin up": "hít xà ngửa tay", "muscle up": "lên xà", "assisted pull up": "hít xà có trợ lực",
    "lat pulldown": "kéo xô", "pulldown": "kéo xô", "straight arm pulldown": "kéo xô thẳng tay",
    "row": "chèo, kéo lưng", "rows": "chèo, kéo lưng", "bent over barbell row": "kéo tạ đòn gập người",
    "barbell row": "kéo tạ đòn gập người", "dumbbell row": "kéo tạ đơn một tay", "seated cable row": "kéo cáp ngồi",
    "seated cable rows": "kéo cáp ngồi", "t bar row": "kéo lưng đòn T", "inverted row": "kéo xà ngang",
    "face pull": "kéo cáp về mặt", "shrug": "nhún vai", "shrugs": "nhún vai", "curl": "cuốn tay trước",
    "curls": "cuốn tay trước", "barbell curl": "cuốn tạ đòn", "dumbbell bicep curl": "cuốn tạ đơn",
    "hammer curl": "cuốn búa", "hammer curls": "cuốn búa", "preacher curl": "cuốn tay ghế dốc",
    "concentration curls": "cuốn tay tập trung", "wrist curl": "cuốn cổ tay",
    # core
    "plank": "tấm ván, giữ thân", "side plank": "tấm ván nghiêng", "crunch": "gập bụng", "crunches": "gập bụng",
    "sit up": "gập bụng ngồi dậy", "leg raise": "nâng chân", "knee raise": "nâng gối", "russian twist": "xoay người",
    "dead bug": "bọ chết", "mountain climbers": "leo núi", "ab roller": "con lăn bụng",
    "ab wheel rollout": "con lăn bụng", "pallof press": "đẩy cáp chống xoay", "side bend": "nghiêng lườn",
    "air bike": "đạp xe trên không", "v up": "gập bụng chữ V",
    # carrying, jumping, going far
    "carry": "xách tạ đi", "farmer s walk": "xách tạ đi bộ", "farmer s carry": "xách tạ đi bộ",
    "sled push": "đẩy xe trượt", "sled drag": "kéo xe trượt", "burpee": "burpee, nhảy chống đẩy",
    "box jump": "nhảy bục", "rope jumping": "nhảy dây", "jump": "nhảy", "battle ropes": "quất dây thừng",
    "battling ropes": "quất dây thừng", "running": "chạy bộ", "jogging": "chạy bộ chậm", "walking": "đi bộ",
    "treadmill": "máy chạy bộ", "rowing": "chèo thuyền", "bicycling": "đạp xe", "bike": "đạp xe",
    "elliptical": "máy elip", "stairmaster": "leo cầu thang", "skating": "trượt patin", "sprint": "chạy nước rút",
    "tire flip": "lật lốp", "clean": "cử đẩy, kéo tạ lên vai", "clean and jerk": "cử đẩy", "snatch": "cử giật",
    "turkish get up": "đứng dậy kiểu Thổ", "thruster": "gánh tạ đẩy vai", "stretch": "giãn cơ",
}  # fmt: skip
_LONGEST = max(len(phrase.split()) for phrase in PHRASES)


def plain(text: str) -> str:
    """Lower case, each letter one with its accents however it was typed. Signs are spaces."""
    whole = unicodedata.normalize("NFC", text.lower())
    return " ".join("".join(one if one.isalnum() else " " for one in whole).split())


def folded(text: str) -> str:
    """The same without accents: `Đẩy ngực` is `day nguc`."""
    parts = unicodedata.normalize("NFD", plain(text)).replace("đ", "d")
    return "".join(one for one in parts if not unicodedata.combining(one))


def name_of(name: str) -> str | None:
    """What a movement is called, by the longest phrase in its English name; None where there is none."""
    found = _phrases(name)
    return found[0].partition(",")[0].capitalize() if found else None


def is_whole(name: str) -> bool:
    """Whether an English name is one phrase, so that its own name says all of it."""
    return folded(name) in PHRASES


def words_of(name: str, muscles: Iterable[str], equipment: str) -> str:
    """All it is found by, each word as it is written and folded; its English name among them, since people mix both.

    Who types accents means them: `tạ đơn` is a dumbbell, `tạ đòn` a barbell, `ta don` either.
    """
    told = [*_phrases(name), *(MUSCLES.get(one, one) for one in muscles), KIT.get(equipment, equipment), name]
    words = plain(" ".join(told)).split()
    return " ".join(dict.fromkeys(one for word in words for one in (word, folded(word))))


def said(word: str) -> str:
    """A muscle or kit of the catalogue in Vietnamese; as it is where it has no word."""
    return MUSCLES.get(word) or KIT.get(word) or word


def _phrases(name: str) -> list[str]:
    words = folded(name).split()
    spans = [
        " ".join(words[begin : begin + length])
        for length in range(min(_LONGEST, len(words)), 0, -1)
        for begin in range(len(words) - length + 1)
    ]
    return [PHRASES[span] for span in dict.fromkeys(spans) if span in PHRASES]
