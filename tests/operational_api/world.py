"""Two customers of two coaches with one of everything, somebody of every role, and who asks the app as each of them.

Whatever goes through every route is asked from here: who may (`test_matrix`), in how many statements
(`test_statements`), and along which indexes (`test_indexes`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.automation.models import Run
from operational_api.compliance.models import PersonalExport
from operational_api.core.policy import Gate
from operational_api.core.principal import ROLES
from operational_api.engagement.models import (
    Attachment,
    AttachmentFile,
    InboxMessage,
    Message,
    MessageTemplate,
    ScheduledMessage,
)
from operational_api.identity.models import Account, LinkedLogin, Passkey, SignInAttempt
from operational_api.integrations.models import WearableLink
from operational_api.integrations.settings import IntegrationSettings
from operational_api.scheduling.calendars.models import CalendarConnection
from operational_api.training.models import Injury
from tests.factories import (
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_exercise,
    make_invoice,
    make_login_session,
    make_pack,
    make_programme,
    make_slot,
    make_statement,
    make_template,
    make_video,
    make_wellbeing,
    make_workout,
)
from tests.operational_api.automation.conftest import make_rule
from tests.operational_api.conftest import ISSUER, access_token, service_token
from tests.operational_api.reach import Object


@dataclass(frozen=True)
class Route:
    """One operation: `GET /path/{id}`, the action it names, and the names of what may be said in its query."""

    key: str
    action: str | None
    in_description: bool
    query: frozenset[str] = frozenset()

    @property
    def method(self) -> str:
        return self.key.split()[0]

    @property
    def path(self) -> str:
        return self.key.split()[1]


def routes_of(app: FastAPI) -> list[Route]:
    """Every operation that the app serves, described or not, but files and its own description."""
    found = []
    for route in _walk(app.routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            continue
        gates = [one.call.action for one in dependant.dependencies if isinstance(one.call, Gate)]
        for method in sorted(set(route.methods) - {"HEAD"}):
            found.append(
                Route(
                    f"{method} {route.path}", gates[-1] if gates else None, route.include_in_schema,
                    frozenset(_query_of(dependant)),
                )
            )  # fmt: skip
    return found


def _query_of(dependant: Any) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for one in dependant.dependencies:
        yield from _query_of(one)


def _walk(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        if hasattr(route, "effective_candidates"):
            yield from _walk(route.effective_candidates())
        else:
            yield route


class World:
    """Mia of coach Cara and Tom of coach Dan, each with one of everything, and somebody of every role.

    `ids[kind]` is (Mia's, Tom's). `stranger` is what nobody but Tom and Dan, and who sees everybody, may be told.
    """

    def __init__(self, app: FastAPI, session: Session, *, of_each: int = 1) -> None:
        """Make it.

        Args:
            of_each: How many of everything each of the two has; `ids` are of the first.
        """
        cara, dan = make_coach(session), make_coach(session)
        mia, tom = make_client(session, coach=cara), make_client(session, coach=dan)
        self.exercise = make_exercise(session).id
        self.free_slot = make_slot(session, coach=cara, starts_at=datetime(2027, 3, 3, 9, tzinfo=UTC)).id
        others = [role for role in ROLES if role not in ("customer", "coach", "service")]
        self.people = {role: make_account(session, role=role) for role in others}
        self.people |= {"customer": session.get_one(Account, mia.id), "coach": session.get_one(Account, cara.id)}
        self.personal = {role: self._personal(session, account) for role, account in self.people.items()}
        self.tokens = {
            role: access_token(app, account, session_id=self.personal[role]["session"])
            for role, account in self.people.items()
        }
        self.tokens["service"] = service_token(app, "plyo-activation")
        self.ids: dict[str, tuple[UUID, UUID]] = {"customer": (mia.id, tom.id), "coach": (cara.id, dan.id)}
        now = datetime.now(UTC)
        rules = [make_rule(session) for _ in range(of_each)]
        pairs: dict[str, list[UUID]] = {}
        soon = now.replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
        for turn, (client, coach) in enumerate(((mia, cara), (tom, dan)) * of_each):
            slot = make_slot(session, coach=coach, starts_at=soon + timedelta(hours=turn))
            make_pack(session, customer_id=client.id)
            invoice, credit_note = make_invoice(session, customer_id=client.id)
            programme = make_programme(session, client=client)
            injury = Injury(
                id=new_id(), customer_id=client.id, body_part="knee", severity=1, occurred_on=date(2026, 1, 1)
            )
            link = WearableLink(
                id=new_id(), customer_id=client.id, source="terra", external_user_id=new_id().hex, provider="OURA",
                scopes="", state="ended", connected_at=now, changed_at=now,
            )  # fmt: skip
            run = Run(
                id=new_id(), rule_id=rules[turn // 2].id, customer_id=client.id, coach_id=coach.id, arm="treatment",
                status="open", suggested_message="Hi", started_at=now,
            )  # fmt: skip
            dismissed = Run(
                id=new_id(), rule_id=rules[turn // 2].id, customer_id=client.id, coach_id=coach.id, arm="treatment",
                status="dismissed", suggested_message="Hi", started_at=now, decided_at=now, decided_by=coach.id,
            )  # fmt: skip
            talk = Message(
                id=new_id(), customer_id=client.id, sender_id=client.id, recipient_id=coach.id, body="Hi", sent_at=now
            )
            later = ScheduledMessage(
                id=new_id(), customer_id=client.id, sender_id=coach.id, body="Hi", local_at=now.replace(tzinfo=None),
                time_zone="UTC", send_at=now + timedelta(days=1),
            )  # fmt: skip
            words = MessageTemplate(id=new_id(), owner_id=coach.id, name=f"Hello {turn}", body="Hi", updated_at=now)
            session.add_all([injury, link, run, dismissed, talk, later, words])
            session.flush()
            file = Attachment(
                id=new_id(), customer_id=client.id, message_id=talk.id, uploader_id=client.id, name="a.pdf",
                media_type="application/pdf", size_bytes=1, created_at=now,
            )  # fmt: skip
            session.add_all([file, AttachmentFile(attachment_id=file.id, content=b"%PDF-1.7", status="ready")])
            booking = make_booking(session, slot=slot, customer_id=client.id)
            done = make_workout(session, client=client, status="completed", completed_at=now, scheduled_on=now.date())
            planned = make_workout(session, client=client, programme=programme)
            template = make_template(session, coach=coach, exercise_id=self.exercise)
            rows = {
                "slot": slot, "booking": booking, "programme": programme, "injury": injury, "ended_link": link,
                "run": run, "dismissed_run": dismissed, "workout": done, "planned_workout": planned,
                "template": template, **make_wellbeing(session, client=client, week=turn),
                "class": make_slot(  # each on a day of its own: one is moved within its day
                    session, coach=coach, capacity=4, starts_at=soon + timedelta(days=7 + turn)
                ),
                "attachment": file, "scheduled": later, "wording": words,
                "invoice": invoice, "credit_note": credit_note, "video": make_video(session, client=client),
                "statement": make_statement(  # each of a day of its own
                    session, coach_id=coach.id, customer_id=client.id, first_on=date(2026, 1, 1) + timedelta(days=turn)
                ),
            }  # fmt: skip
            for kind, row in rows.items():
                pairs.setdefault(kind, []).append(row.id)
        self.ids |= {kind: (mine, theirs) for kind, (mine, theirs, *_) in pairs.items()}
        theirs = self._personal(session, session.get_one(Account, tom.id))
        self.ids |= {kind: (mine, theirs[kind]) for kind, mine in self.personal["customer"].items()}
        self.stranger = {str(tom.id)} | {str(self.ids[kind][1]) for kind in pairs if kind not in ("slot", "class")}
        session.flush()

    def _personal(self, session: Session, account: Account) -> dict[str, UUID]:
        """What everybody has who signs in: a session of just now with a second factor, a passkey, a noted sign-in."""
        then = datetime.now(UTC)
        login = make_login_session(session, account)
        passkey = Passkey(
            id=new_id(), account_id=account.id, credential_id=new_id().bytes, public_key=b"", sign_count=0,
            transports=[], name="Phone", is_synced=False, created_at=then,
        )  # fmt: skip
        traits = dict.fromkeys(
            ("account_key", "address", "block", "prefix", "region", "country", "agent", "program", "kind", "hour",
             "part", "device_key"), "",
        )  # fmt: skip
        attempt = SignInAttempt(
            id=new_id(), account_id=account.id, attempted_at=then, is_known_device=True, outcome="wrong_password",
            **traits,
        )  # fmt: skip
        linked = LinkedLogin(
            id=new_id(), account_id=account.id, provider="google", issuer="https://accounts.google.com",
            subject=new_id().hex, email=account.email,
        )  # fmt: skip
        calendar = CalendarConnection(
            id=new_id(), account_id=account.id, provider="caldav", calendar_id="work", label="Work",
            time_zone="Europe/Berlin", is_read=True, is_written=True, next_sync_at=then, connected_at=then,
        )  # fmt: skip
        copy = PersonalExport(
            id=new_id(), account_id=account.id, requested_by=account.id, requested_at=then - timedelta(days=2),
            made_at=then, expires_at=then + timedelta(days=1), row_count=1, file_count=0, size_bytes=1,
        )  # fmt: skip
        told = InboxMessage(
            id=new_id(), dedupe_key=f"told:{account.id}", person_id=account.id, template="payment_failed",
            purpose="transactional", context={"name": "", "amount_minor": 100, "currency": "EUR"}, language="en",
            due_at=then, landed_at=then,
        )  # fmt: skip
        session.add_all([passkey, attempt, linked, calendar, copy, told])
        return {
            "session": login.id, "passkey": passkey.id, "attempt": attempt.id, "login": linked.id,
            "calendar": calendar.id, "copy": copy.id, "told": told.id,
        }  # fmt: skip

    def own(self, kind: str, role: str) -> UUID:
        return self.personal.get(role, {}).get(kind) or self.ids[kind][0]

    def filled(self, body: object) -> Any:
        """A body with this world's ids in it."""
        if isinstance(body, dict):
            return {key: self.filled(value) for key, value in body.items()}
        if isinstance(body, list):
            return [self.filled(value) for value in body]
        made: dict[str, object] = {
            "EXERCISE": self.exercise,
            "FREE_SLOT": str(self.free_slot),
            "NEW": str(new_id()),
            "CLIENT": str(self.ids["customer"][0]),
            "TEMPLATE": str(self.ids["template"][0]),
            "NEXT_MONTH": (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT12:00:00"),
            "TODAY": datetime.now(UTC).date().isoformat(),
            "TOMORROW": (datetime.now(UTC) + timedelta(days=1)).date().isoformat(),  # nowhere over yet
        }
        return made.get(body, body) if isinstance(body, str) else body


@dataclass(frozen=True)
class Answer:
    status: int
    code: str
    text: str

    @property
    def is_refused(self) -> bool:
        """By the gate, before anything was looked at."""
        return (self.status, self.code) in ((401, "core.unauthenticated"), (403, "core.forbidden"))

    def without_traces(self) -> "Answer":
        return replace(self, text=re.sub(r'"trace_id":"?\w+"?', "", self.text))


class Asking:
    """Asks the app over ASGI, each time in a savepoint that is taken back: no question changes what another finds."""

    def __init__(self, app: FastAPI, session: Session, world: World) -> None:
        self.world, self._connection = world, session.connection()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url=ISSUER, follow_redirects=False
        )

    async def ask(
        self, route: Route, role: str, id_: object = None, about: Object | None = None, *,
        query: Mapping[str, str] | None = None, **told: str,
    ) -> Answer:  # fmt: skip
        """`told`: further headers, such as `accept="text/html"`."""
        headers = {"accept": "application/json"} | {name.replace("_", "-"): value for name, value in told.items()}
        if role != "guest":
            headers["Authorization"] = f"Bearer {self.world.tokens[role]}"
        path, asked, body = route.path, dict(query or {}), self.world.filled(about.body) if about else None
        where, _, name = (about.at if about else "path").partition(".")
        if where == "query":
            asked[name] = str(id_)
        elif where == "body":
            body[name] = str(id_)
        path = re.sub(r"{\w+}", str(id_ if id_ is not None and where == "path" else new_id()), path)
        sent = {"data": self.world.filled(about.form)} if about and about.form else {"json": body}
        return await self.send(route.method, path, params=asked, headers=headers, **sent)

    async def send(self, method: str, path: str, **request: Any) -> Answer:
        """A request as httpx has it, in a savepoint that is taken back."""
        savepoint = self._connection.begin_nested()
        try:
            answer = await self._client.request(method, path, **request)
        finally:
            savepoint.rollback()
        is_problem = answer.headers.get("content-type", "").startswith("application/problem")
        code = answer.json()["code"] if is_problem and answer.content else ""  # what answers HEAD has no body
        return Answer(answer.status_code, code, answer.text)


def asking_of(app: FastAPI, session: Session, *, of_each: int = 1) -> Asking:
    """Who asks this app, whose requests join the session's transaction, about a new world in it."""
    # A maker of wearables who is never there: ending a link that has ended asks nobody.
    app.state.integration_settings = IntegrationSettings(
        public_url=ISSUER, terra_base_url="http://127.0.0.1:9", terra_dev_id="x", terra_api_key=SecretStr("x")
    )
    return Asking(app, session, World(app, session, of_each=of_each))
