"""The change log read later: rows as they are now, and features of a past date as they were then."""

from datetime import date

import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from tests.dbt_project import lake as lakes
from tests.dbt_project.test_marts import who

LATER = "2026-07-25 18:30:00+00"
"""In Ho Chi Minh City it is the 26th already."""


@pytest.fixture(scope="module")
def later_lake(built_lake, business_database, postgres, target, tmp_path_factory) -> WarehouseSettings:
    """The same business five weeks later: a name corrected, a message erased, a list emptied, a session and a loss."""
    import psycopg

    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("create database later_lake")
    settings = WarehouseSettings(
        lake_catalog_url=postgres.url("later_lake"), lake_path=str(tmp_path_factory.mktemp("later"))
    )
    warehouse.set_up(settings)
    lakes.snapshot(business_database, settings)
    ana, cem = f"id = '{who('ana')}'", f"id = '{who('cem-2')}'"
    with warehouse.writing(settings) as lake, warehouse.transaction(lake):
        lakes.change(lake, "training__clients", "u", lsn=2000, where=ana, display_name="'Anna'")
        lakes.change(lake, "training__clients", "u", lsn=2001, where=f"{ana} and _op = 'u'", display_name="'Ana Maria'")
        lakes.change(lake, "engagement__messages", "d", lsn=2002, where=f"id = '{who('m1')}'")
        lakes.change(lake, "engagement__leads", "t", lsn=2003, where="true limit 1", id="null")
        lakes.change(lake, "engagement__leads", "i", lsn=2004, where=f"id = '{who('lead-zoe')}'")
        lakes.change(
            lake, "scheduling__bookings", "u", lsn=2005, where=f"id = '{who('ana@0622')}'",
            status="'attended'", outcome_at="timestamptz '2026-06-22 09:00:00+00'",
        )  # fmt: skip
        lakes.change(
            lake, "commerce__subscriptions", "u", lsn=2006, where=cem, status="'cancelled'",
            cancel_kind="'voluntary'", ended_at="timestamptz '2026-07-01 08:00:00+00'",
        )  # fmt: skip
        lakes.change(
            lake, "commerce__subscription_changes", "i", lsn=2007, where=f"subscription_id = '{who('cem-2')}'",
            id="uuid()", kind="'ended'", mrr_before_minor="4538", mrr_after_minor="0",
            changed_at="timestamptz '2026-07-01 08:00:00+00'",
        )  # fmt: skip
        lakes.watermark(lake, 2007, at=LATER)
    done = lakes.dbt(
        "run", "--select", "+fct_churn_features", "+fct_churn_labels", "+dim_customers", "+fct_leads",
        settings=settings, target=target.with_name("later"), now=LATER,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return settings


class TestLatestRows:
    def test_the_newest_change_is_the_row(self, later_lake):
        with warehouse.reading(later_lake) as lake:
            names = lake.execute("select display_name from marts.core.dim_customers order by 1").fetchall()
        assert names[0] == ("Ana Maria",)
        assert len(names) == 7

    def test_a_deleted_row_is_gone(self, later_lake):
        with warehouse.reading(later_lake) as lake:
            assert lake.execute("select count(*) from marts.engagement.fct_messages").fetchone() == (1,)

    def test_a_truncated_table_holds_only_what_came_after(self, later_lake):
        with warehouse.reading(later_lake) as lake:
            assert lake.execute("select source from marts.engagement.fct_leads").fetchall() == [("walk_in",)]


def features(settings: WarehouseSettings, query: str = "from marts.retention.fct_churn_features") -> list[tuple]:
    """Features of dates before the business was first looked at; but for its messages, of which one is erased."""
    with warehouse.reading(settings) as lake:
        return lake.execute(
            f"""select * exclude (messages_sent_28d, days_since_last_message) from ({query})
            where as_of < '2026-06-17' order by customer_id, as_of"""
        ).fetchall()


class TestPointInTime:
    def test_features_of_a_past_date_do_not_move_when_the_future_arrives(self, built_lake, later_lake):
        served, rebuilt = features(built_lake), features(later_lake)
        assert len(served) > 20
        assert rebuilt == served

    def test_a_planted_look_into_the_future_is_seen_by_the_same_comparison(self, built_lake, later_lake, target):
        honest = next((target / "compiled").rglob("marts/retention/fct_churn_features.sql")).read_text()
        leaky = honest.replace(" and 1 preceding)", " and 14 following)")
        assert leaky.count("14 following") > 20
        assert features(later_lake, honest) == features(built_lake, honest)
        assert features(later_lake, leaky) != features(built_lake, leaky)

    def test_every_active_member_has_a_row_of_the_newest_date_wherever_midnight_was(self, later_lake):
        with warehouse.reading(later_lake) as lake:
            newest = lake.execute(
                """select as_of, list(display_name order by display_name) from marts.retention.fct_churn_features
                inner join marts.core.dim_customers using (customer_id) group by as_of order by as_of desc limit 1"""
            ).fetchone()
            active = lake.execute(
                """select list(display_name order by display_name) from marts.core.dim_customers
                where stage in ('active', 'won_back')"""
            ).fetchone()
        assert active is not None
        assert newest == (date(2026, 7, 25), active[0])
        assert "Dao" in active[0]  # who lives where it is the 26th
        assert len(active[0]) > 1

    def test_a_label_becomes_known_when_its_days_are_over(self, later_lake):
        with warehouse.reading(later_lake) as lake:
            found = lake.execute(
                "select as_of, is_churned_30d from marts.retention.fct_churn_labels "
                "where customer_id = ? and as_of between '2026-05-25' and '2026-06-15' order by 1",
                [who("cem")],
            ).fetchall()
        assert found == [
            (date(2026, 5, 25), False),
            (date(2026, 6, 1), False),
            (date(2026, 6, 8), True),
            (date(2026, 6, 15), True),
        ]
