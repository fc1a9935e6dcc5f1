"""Names of people by city, coaches' own words, and what coaches and clients write to each other."""

from typing import NamedTuple

FIRST_NAMES = (
    (
        "Anna", "Lukas", "Lea", "Jonas", "Sophie", "Felix", "Clara", "Paul", "Johanna", "Maximilian", "Lena", "Tobias",
        "Elif", "Emre", "Katarzyna", "Mateusz", "Charlotte", "Moritz", "Frieda", "Niklas", "Aylin", "Deniz", "Greta",
        "Henrik", "Ines", "Jannik", "Katja", "Linus", "Marlene", "Nora", "Oskar", "Paula", "Ruben", "Svenja", "Till",
        "Ulrike", "Vincent", "Wiebke", "Yusuf", "Zoe", "Hannes", "Mareike", "Philipp", "Carlotta", "Daria", "Anton",
    ),
    (
        "Olivia", "Marcus", "Maya", "Ethan", "Sofia", "Jamal", "Rachel", "Diego", "Aaliyah", "Ben", "Priya", "Kevin",
        "Grace", "Andre", "Naomi", "Tyler", "Camila", "Isaac", "Hannah", "Malik", "Chloe", "Rafael", "Jasmine", "Owen",
        "Leila", "Nathan", "Tiana", "Patrick", "Gabriela", "Darnell", "Emily", "Victor", "Simone", "Caleb", "Mei",
        "Jordan", "Alicia", "Sean", "Destiny", "Luis", "Erin", "Samir", "Brooke", "Theo", "Vanessa", "Adam", "Nina",
    ),
    (
        "Minh Anh", "Quốc Bảo", "Thanh Hà", "Gia Huy", "Ngọc Lan", "Đức Long", "Phương Linh", "Hoàng Nam", "Bảo Ngọc",
        "Anh Tuấn", "Thu Trang", "Quang Vinh", "Hải Yến", "Minh Khôi", "Khánh Vy", "Thành Đạt", "Mai Chi", "Tấn Phát",
        "Diệu Linh", "Hữu Nghĩa", "Thùy Dương", "Việt Hùng", "Cẩm Tú", "Nhật Minh", "Tường Vi", "Trung Kiên",
        "Kim Ngân", "Đăng Khoa", "Hồng Nhung", "Xuân Phúc", "Bích Phương", "Công Danh", "Quỳnh Như", "Sơn Tùng",
    ),
)  # fmt: skip
LAST_NAMES = (
    (
        "Schmidt", "Müller", "Weber", "Hoffmann", "Yılmaz", "Krüger", "Neumann", "Schröder", "Lehmann", "Kowalski",
        "Brandt", "Vogel", "Winter", "Demir", "Richter", "Albrecht", "Jansen", "Keller", "Sommer", "Bauer", "Peters",
        "Nowak", "Franke", "Böhm", "Seidel", "Kaya", "Hartmann", "Arnold", "Busch", "Lorenz", "Engel", "Pohl",
        "Ziegler", "Thiele", "Roth", "Sauer", "Kühn", "Aydın", "Wolff", "Petersen", "Gerlach", "Marquardt", "Steiner",
        "Voigt",
    ),
    (
        "Johnson", "Rivera", "Cohen", "Williams", "Patel", "Nguyen", "Garcia", "O'Brien", "Chen", "Brown", "Goldberg",
        "Davis", "Kim", "Martinez", "Jackson", "Russo", "Singh", "Thompson", "Santos", "Murphy", "Lee", "Robinson",
        "Ortiz", "Schwartz", "Green", "Baptiste", "Walker", "Torres", "Sullivan", "Clarke", "Ramirez", "Adams", "Levy",
        "Morales", "Campbell", "Park", "Reyes", "Bennett", "DeLuca", "Watson", "Okafor", "Friedman", "Hughes", "Diaz",
    ),
    (
        "Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Hoàng", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương",
        "Lý", "Đinh", "Trịnh", "Mai", "Tạ",
    ),
)  # fmt: skip

BIOS = (
    "Came to coaching from {years} years of competitive rowing. Likes bar speed, honest training logs and clients who"
    " ask why. Works mostly on {first} and {second}.",
    "Former physiotherapy assistant who got tired of seeing people only after they were hurt. Specialises in {first}"
    " and {second}, and will make you enjoy warming up.",
    "Has coached for {years} years, from first push-up to national platform. Believes in boring basics done well:"
    " {first}, {second}, sleep, repeat.",
    "Office worker turned coach. Knows what ten hours at a desk do to hips and shoulders, and plans around your week"
    " instead of against it. Mostly {first} and {second}.",
    "Marathon runner with a soft spot for heavy deadlifts. Helps people combine {first} with {second} without running"
    " themselves into the ground.",
    "Trained as a dancer, stayed for the barbells. {years} years of teaching movement; calm, precise and very hard to"
    " fool about depth. Loves {first} and {second}.",
    "Mother of two who came back from both births stronger than before, and coaches {first} and {second} with the same"
    " patience she learnt then.",
    "Sports science graduate who tests, writes it down and tests again. For {first} and {second}; expect a spreadsheet"
    " and a good laugh.",
)


class Exchange(NamedTuple):
    """An occasion to write: who begins, the words, and what the other answers (empty: nothing)."""

    starts_with_coach: bool
    openings: tuple[str, ...]
    answers: tuple[str, ...]


WELCOME = Exchange(
    True,
    (
        "Hi {name}, welcome to Plyo! I'm {coach} and I'll be your coach. Have a look at your first programme and tell"
        " me if any of the days don't suit you.",
        "Welcome aboard, {name}! First week is about finding weights that feel easy. Log everything, even if it looks"
        " silly. Questions any time here.",
        "Hey {name}, great to meet you. I've put your first four weeks in. We start lighter than you think, promise"
        " it gets harder. {coach}",
    ),
    (
        "Thanks {coach}! Looking forward to it, a little nervous to be honest.",
        "Perfect, thank you. Is it okay if I swap Thursday for Friday?",
        "Great, can't wait to get started!",
    ),
)
CHECK_IN = Exchange(
    True,
    (
        "How did the week feel, {name}? Anything sore that shouldn't be?",
        "Quick check-in: energy and sleep okay this week? I'm planning your next block.",
        "{name}, how heavy did the last sets feel? The RPE says there's more in the tank.",
        "Next week is a bit lighter on purpose. Enjoy it, move fast, go home early.",
        "I moved your accessory work around a little, the main lifts stay. Shout if something's off.",
        "Filmed any of your sets lately? Send me one of the squat and I'll have a look at the depth.",
    ),
    (
        "Good week! Legs a bit tired but sleep was fine.",
        "All good. I think I could go heavier on the rows.",
        "Busy at work, but I got the important sessions in.",
        "Feeling strong, thanks for asking 💪",
        "Shoulder is a little stiff after pressing, nothing dramatic.",
        "Will send a video tomorrow!",
    ),
)
PRAISE = Exchange(
    True,
    (
        "Every session done this week, {name}. That's how it works. Proud of you!",
        "Full week in the log, well done! Next week we add a little weight on the main lifts.",
        "Look at your chart from the first month to now, {name}. That line is your work.",
        "100 % this week! Treat yourself to an early night.",
    ),
    ("Thank you!! It's finally clicking.", "Wow, I hadn't looked at the chart. Nice!", "🎉🎉", "Couldn't do it without"
     " the plan, thanks coach."),
)  # fmt: skip
MISSED = Exchange(
    True,
    (
        "I see a couple of sessions stayed open this week. Everything alright, {name}?",
        "No drama about the missed days. Shall we make the plan shorter for a while?",
        "Missed you this week! If mornings don't work any more, let's look for another time.",
        "{name}, two short sessions beat four perfect ones that don't happen. Want me to cut the plan down?",
    ),
    (
        "Sorry, work is eating me alive right now.",
        "Yeah… motivation is a bit low, I'll try to come on Thursday.",
        "Travelling until Sunday, back next week.",
        "Shorter would help, thank you for understanding.",
    ),
)
HURT = Exchange(
    False,
    (
        "Hi {coach}, something in my {part} doesn't feel right since the last session. Should I still come?",
        "My {part} hurts when I load it. Can we work around it this week?",
        "Heads-up: tweaked my {part} moving flat. What should I leave out?",
    ),
    (
        "Thanks for telling me straight away. Come in, we train around it and nothing that hurts above 3 out of 10.",
        "Leave out everything that provokes it. I've lightened the plan; if it isn't better in ten days see a doctor.",
        "Good call to ask. I swapped the exercises, keep moving and keep me posted.",
    ),
)
HANDOVER = Exchange(
    True,
    (
        "Hi {name}, I'm {coach} and I'm taking over your coaching. I've read your log from the beginning; tell me what"
        " you'd like to keep exactly as it is.",
        "Hello {name}! From this week on I'll be your coach. Let's use the first session to get to know each other.",
    ),
    (
        "Oh, I didn't expect that. Okay, see you at the session.",
        "Hi {coach}, nice to meet you. Please keep the squats!",
    ),
)
QUESTION = Exchange(
    False,
    (
        "Can I do the conditioning before the weights if the rower is taken later?",
        "Is it normal that my grip gives up before my back on deadlifts?",
        "What would you eat before a 7 am session?",
        "I'm at a hotel gym until Friday, only dumbbells up to 20. What should I do?",
        "Could we move our session by an hour next week?",
        "My watch says my recovery is low today. Train or rest?",
    ),
    (
        "Absolutely, just keep five minutes between the two.",
        "Very normal. Use straps on the last set and we add carries for the grip.",
        "A banana and a coffee are plenty. Eat properly afterwards.",
        "Split squats, one-arm rows, push-ups, Romanian deadlifts: three rounds of ten. Done in 35 minutes.",
        "Sure, have a look at my open slots and grab the one you like.",
        "Train, but stop every set two reps earlier than planned.",
    ),
)
PRICE_RISE = Exchange(
    True,
    (
        "From your next renewal after {month} our memberships change price. You'll find the new amount under"
        " Membership; nothing changes before that. Thank you for training with us.",
    ),
    (),
)
PAYMENT_FAILED = Exchange(
    True,
    (
        "We couldn't collect this month's payment. We'll try again in a few days; please check your card under"
        " Membership so that your sessions stay booked.",
    ),
    (),
)
NUDGE = (
    "Hi {first_name}, I noticed your last weeks were a bit quieter. Shall we look at your plan together and make it fit"
    " your life again? I've kept a slot free for you."
)
CANCEL_REASONS = {
    "adherence": "I don't find the time to train",
    "coach_change": "My coach left",
    "price_rise": "Too expensive for me now",
    "no_shows": "My schedule doesn't fit any more",
    "distance": "Too far from home",
    "injury": "I'm injured",
    "unexplained": "Moving on",
}
