"""A connector is configured when its first setting is there, and says which is not without telling any value."""

import pytest

from ingestion import registry

FIRST = {
    "stripe": "PLYO_STRIPE_SECRET_KEY",
    "momo": "PLYO_MOMO_SETTLEMENTS_URL",
    "hubspot": "PLYO_HUBSPOT_ACCESS_TOKEN",
    "terra": "PLYO_TERRA_DEV_ID",
}
OTHERS = {"terra": {"PLYO_TERRA_API_KEY": "secret"}}
"""Settings besides the first that have no default."""
PREFIX = {"terra": "wearables__"}
"""Of raw tables that are not called after their connector."""


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*FIRST.values(), "PLYO_TERRA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", registry.CONNECTORS)
class TestConnector:
    def test_without_its_first_setting_it_says_so(self, name: str) -> None:
        assert not registry.configured(name)
        with pytest.raises(registry.NotConfigured, match=FIRST[name]):
            registry.connector(name)

    def test_an_empty_setting_is_none(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(FIRST[name], "")
        assert not registry.configured(name)

    def test_with_it_the_connector_is_made_and_asks_nobody(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for setting, value in {FIRST[name]: "secret-or-folder", **OTHERS.get(name, {})}.items():
            monkeypatch.setenv(setting, value)
        assert registry.configured(name)
        made = registry.connector(name)
        assert made.name == name
        assert all(table.startswith(PREFIX.get(name, f"{name}__")) for table in made.tables)


def test_a_wrong_setting_is_named_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLYO_STRIPE_SECRET_KEY", "sk_hidden")
    monkeypatch.setenv("PLYO_STRIPE_TIMEOUT_SECONDS", "sk_slow")
    with pytest.raises(registry.NotConfigured, match="PLYO_STRIPE_TIMEOUT_SECONDS") as caught:
        registry.connector("stripe")
    assert "sk_" not in str(caught.value)
