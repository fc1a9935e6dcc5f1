"""One pays for many: chosen by address or by name, looked at, and set for all or nobody."""

import re
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import public as commerce
from operational_api.commerce.models import Customer
from operational_api.core.models import OutboxEvent
from tests.factories import make_account
from tests.operational_api.staff.conftest import As, words


class TestPayingFor:
    def test_of_many_is_looked_at_and_then_set_for_all_or_nobody(self, session: Session, signed_in: As) -> None:
        firm, ana, ben, cem, coach = (
            make_account(session, role=role) for role in ("customer", "customer", "customer", "customer", "coach")
        )

        def payers() -> list[UUID | None]:
            ids = [one.id for one in (ana, ben, cem)]
            paid = dict(
                session.execute(select(Customer.id, Customer.payer_id).where(Customer.id.in_(ids))).tuples().all()
            )
            return [paid.get(one) for one in ids]

        finance, here = signed_in(make_account(session, role="finance")), "/staff/payers"
        assert here in finance.get("/staff").text
        pasted = f"Ana <{ana.email.upper()}>; {ben.email},nobody@example.test\n{coach.email} {ana.email}"
        looked = finance.submit(f"{here}/looks", {"email": firm.email, "addresses": pasted}).text
        for told in ("Pays for themselves until now", f"nobody@example.test, {coach.email}", "pay for 2"):
            assert told in words(looked)
        assert payers() == [None, None, None]
        chosen = re.findall(r'name="customer_id" value="([^"]+)" checked', looked)
        assert chosen == [str(ana.id), str(ben.id)]
        form = {"email": firm.email, "customer_id": chosen}
        finance.submit(here, form)  # another payer than the one looked at is a look
        assert payers() == [None, None, None]
        done = words(finance.submit(here, form | {"seen": firm.email}).text)
        assert done.count("Changed") == 2
        assert payers() == [firm.id, firm.id, None]
        assert words(finance.submit(here, form | {"seen": firm.email}).text).count("Was so already") == 2
        # cem pays for dana: nobody else pays for him, so nothing changes for ben either
        dana = make_account(session)
        commerce.set_payer(session, customer_id=dana.id, payer_id=cem.id, actor_id=None, now=datetime.now(UTC))
        both = {"email": "", "customer_id": [str(ben.id), str(cem.id)]}
        other = make_account(session)
        refused = finance.submit(here, both | {"email": other.email, "seen": other.email})
        assert (refused.status_code, "Nothing was changed" in words(refused.text)) == (409, True)
        assert "Cannot be" in words(refused.text)
        assert payers() == [firm.id, firm.id, None]
        finance.submit(here, both)  # each for themselves again
        assert payers() == [firm.id, None, None]
        changed = select(OutboxEvent.payload["customer_id"].astext).where(OutboxEvent.type == "commerce.payer_changed")
        assert Counter(session.scalars(changed)) == {str(ana.id): 1, str(ben.id): 2, str(dana.id): 1}

    def test_of_many_is_found_by_name_by_who_looks_people_up(self, session: Session, signed_in: As) -> None:
        mark = new_id().hex
        zoe = make_account(session, display_name=f"Zoe {mark}")
        form = {"q": f"zoe {mark}"}
        admin = signed_in(make_account(session, role="admin"))
        assert f'value="{zoe.id}"' in admin.submit("/staff/payers/looks", form).text
        finance = signed_in(make_account(session, role="finance"))
        assert f'value="{zoe.id}"' not in finance.submit("/staff/payers/looks", form).text
