"""Who wins, and that nothing comes back as news: over every interleaving that hypothesis finds, deaths among them."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operational_api.integrations.crm.merging import CUSTOMER, LEAD, LIFECYCLE_OF, Rule, merge

ALL = {rule.value: rule for rule in Rule}
WORDS = st.sampled_from(["a", "b", "c", None])
FIELDS = st.sampled_from([name for name in ALL if name != "forward"])


@dataclass
class Pair:
    """Both sides of one person, and what is kept between rounds; `writes` counts those of either side."""

    ours: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(ALL, "a"))
    theirs: dict[str, str | None] = field(default_factory=dict)
    known_ours: dict[str, str | None] | None = None
    known_theirs: dict[str, str | None] | None = None
    pending: dict[str, list[str | None]] = field(default_factory=dict)
    writes: int = 0

    def sync(self, dies: str = "") -> None:
        """One round, as `crm.sync` does it; `dies` names where a worker ends."""
        mine = dict(self.ours)
        merged = merge(
            mine, self.theirs, rules=ALL, known_ours=self.known_ours, known_theirs=self.known_theirs,
            pending=self.pending,
        )  # fmt: skip
        if merged.to_them:
            for name, value in merged.to_them.items():
                self.pending.setdefault(name, []).append(value)
            if dies == "before":
                return
            self.theirs |= merged.to_them
            self.writes += 1
        if dies == "after":
            return
        self.writes += bool(merged.to_us)
        self.ours |= merged.to_us
        self.known_ours, self.known_theirs, self.pending = mine | merged.to_us, dict(self.theirs), {}


moves = st.lists(
    st.one_of(
        st.tuples(st.just("ours"), FIELDS, WORDS), st.tuples(st.just("theirs"), FIELDS, WORDS),
        st.tuples(st.just("sync"), st.sampled_from(["", "", "before", "after"]), st.none()),
    ),
    max_size=20,
)  # fmt: skip


class TestInterleavings:
    @settings(max_examples=150, deadline=None)
    @given(moves=moves)
    def test_both_sides_agree_after_a_round_and_then_nothing_is_written(
        self, moves: list[tuple[str, str, str | None]]
    ) -> None:
        pair = Pair()
        for side, what, value in moves:
            if side == "ours":
                pair.ours[what] = value
            elif side == "theirs":
                pair.theirs[what] = value
            else:
                pair.sync(what)
        pair.sync()
        assert {name: pair.theirs.get(name) for name in pair.ours} == pair.ours
        writes = pair.writes
        for _ in range(3):  # each write comes back as a webhook, and more than once
            pair.sync()
        assert pair.writes == writes

    @settings(max_examples=60, deadline=None)
    @given(
        moves=moves,
        rule=st.sampled_from(["ours", "both_ours", "both_theirs"]),
        dies=st.sampled_from(["before", "after"]),
    )
    def test_a_change_of_ours_alone_is_never_lost_to_an_echo(
        self, moves: list[tuple[str, str, str | None]], rule: str, dies: str
    ) -> None:
        pair = Pair()
        pair.sync()
        for side, what, value in moves:
            if side == "ours":
                pair.ours[what] = value
        pair.ours[rule] = "x"
        pair.sync(dies)
        pair.ours[rule] = "y"  # while a worker lies dead with "x" on its way
        pair.sync("before")
        pair.ours[rule] = "newest"  # and the next one as well
        pair.sync()
        assert (pair.ours[rule], pair.theirs[rule]) == ("newest", "newest")


class TestRules:
    def met(self, rule: str, *, ours: str | None = "a", theirs: str | None = "a") -> tuple[str | None, str | None]:
        pair = Pair()
        pair.sync()
        pair.ours[rule], pair.theirs[rule] = ours, theirs
        pair.sync()
        return pair.ours[rule], pair.theirs[rule]

    @pytest.mark.parametrize(
        ("rule", "both", "only_theirs", "only_ours"),
        [
            ("ours", "o", "a", "o"),
            ("theirs", "t", "t", "a"),
            ("both_ours", "o", "t", "o"),
            ("both_theirs", "t", "t", "o"),
        ],
    )
    def test_say_who_wins(self, rule: str, both: str, only_theirs: str, only_ours: str) -> None:
        assert self.met(rule, ours="o", theirs="t") == (both, both)
        assert self.met(rule, theirs="t") == (only_theirs, only_theirs)
        assert self.met(rule, ours="o") == (only_ours, only_ours)

    def test_whoever_knows_something_tells_the_other_at_first(self) -> None:
        rules = {"phone": Rule.BOTH_THEIRS}
        assert merge({"phone": "1"}, {"phone": None}, rules=rules).to_them == {"phone": "1"}
        assert merge({"phone": None}, {"phone": "2"}, rules=rules).to_us == {"phone": "2"}
        assert merge({"phone": "1"}, {"phone": "2"}, rules=rules).to_us == {"phone": "2"}

    def test_a_lifecycle_steps_forward_only(self) -> None:
        rules = {"lifecycle": Rule.FORWARD}
        for mine, theirs, expected in (
            ("lead", None, {"lifecycle": "lead"}), ("customer", "lead", {"lifecycle": "customer"}),
            ("opportunity", "customer", {}), ("customer", "evangelist", {}), ("lead", "their_own", {}),
        ):  # fmt: skip
            merged = merge({"lifecycle": mine}, {"lifecycle": theirs}, rules=rules)
            assert (merged.to_them, merged.to_us) == (expected, {})

    def test_an_accounts_name_is_the_persons_own_and_a_leads_whoevers_sells(self) -> None:
        known = {"known_ours": {"name": "Mia"}, "known_theirs": {"name": "Mia"}}
        told = merge({"name": "Mia"}, {"name": "Mimi"}, rules=CUSTOMER, **known)
        assert (told.to_us, told.to_them) == ({}, {"name": "Mia"})
        assert merge({"name": "Mia"}, {"name": "Mimi"}, rules=LEAD, **known).to_us == {"name": "Mimi"}

    def test_every_stage_has_a_lifecycle(self) -> None:
        assert set(LIFECYCLE_OF) == {"lead", "trial", "active", "paused", "at_risk", "churned", "won_back"}
