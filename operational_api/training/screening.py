"""The health questionnaire before training: its questions in versions, and when an answer asks for caution. Pure.

Seven general questions, in our words, after the idea of the 2020 PAR-Q+ (ask before activity, refer where one is yes).
It is no medical device and says so where it is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

VERSION = "2026-1"
VALID_FOR = timedelta(days=365)
"""Answers are asked for anew after a year, and whenever the questions change."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; a yes is red."""

    key: str
    text: str


QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    VERSION: (
        Question("heart", "Has a doctor ever told you that you have a heart condition or high blood pressure?"),
        Question("chest_pain", "Do you get pain in your chest at rest, in daily life, or when you exert yourself?"),
        Question("dizziness", "In the last year, have you fainted, or lost your balance because you felt dizzy?"),
        Question("chronic", "Do you live with another long-term illness that a doctor has diagnosed?"),
        Question("medicine", "Do you take prescribed medicine for a long-term illness at the moment?"),
        Question("joints", "Do you have a problem with a bone, joint or muscle that moving more could make worse?"),
        Question("supervised", "Has a doctor said that you should exercise only under medical supervision?"),
    )
}


class WrongAnswers(ValueError):
    """A question was left out, or there is no such question."""


def is_red(version: str, answers: Mapping[str, bool]) -> bool:
    """Whether one of the answers has to be looked at before the person trains.

    Raises:
        WrongAnswers: they are not the answers to exactly this version's questions.
    """
    asked = {question.key for question in QUESTIONS.get(version, ())}
    if not asked or answers.keys() != asked:
        raise WrongAnswers
    return any(answers.values())
