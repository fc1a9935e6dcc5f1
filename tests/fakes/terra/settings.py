"""Settings of the local Terra, from the environment with the prefix TERRA_FAKE_."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class TerraFakeSettings(BaseSettings):
    """What the local Terra needs to know.

    Attributes:
        host: Where `python -m tests.fakes.terra` listens.
        port: The same.
        public_url: Where a browser reaches this server; the widget's links start with it.
        dev_id: The only developer it knows.
        api_key: Of that developer.
        webhook_url: Destination of events; None sends none.
        signing_secret: Of that destination.
        retry_seconds: Pauses between attempts to deliver an event; after the last one it is given up.
        answer_seconds: A destination must answer within so many seconds.
        chunk_items: Items in one event of a large request.
    """

    model_config = SettingsConfigDict(env_prefix="TERRA_FAKE_")

    host: str = "127.0.0.1"
    port: int = 8430
    public_url: str = "http://127.0.0.1:8430"
    dev_id: str = "plyo-local"
    api_key: str = "terra_test_plyo"
    webhook_url: str | None = None
    signing_secret: str = "terra_signing_plyo"
    retry_seconds: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
    answer_seconds: float = 8
    chunk_items: int = 50
