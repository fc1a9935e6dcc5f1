"""Every process of the stack: its command, its environment, how to know that it is ready."""

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from plyo import certificate, gateway, objects, valkey
from plyo.home import Home, checkout

MOMO_PARTNER = "MOMOLOCAL"
STACK_MARK = "PLYO_STACK_ID"
"""Environment variable that every process of a copy carries, children of children included."""


@dataclass(frozen=True)
class Service:
    """One process.

    Args:
        name: What people call it.
        command: Arguments, the first an absolute path.
        environment: Its own settings; nothing of another process's secrets.
        ready: Loopback address that answers 2xx or 3xx once it can work; None: running is enough.
        url: Where people open it; None: nobody does.
        what: One line for the table.
    """

    name: str
    command: list[str]
    what: str
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str | None = None
    url: str | None = None


def all_services(home: Home, ports: Mapping[str, int], secrets: Mapping[str, str]) -> list[Service]:
    """The processes of the stack in the order in which they start."""
    public = public_url(ports)
    local = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    python, scripts = sys.executable, Path(sysconfig.get_path("scripts"))

    def database(role: str, name: str, scheme: str = "postgresql") -> str:
        return f"{scheme}://{role}:{secrets[role]}@127.0.0.1:{ports['postgres']}/{name}"

    def uvicorn(factory: str, port: int) -> list[str]:
        return [
            python,
            "-m",
            "uvicorn",
            "--factory",
            factory,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-access-log",
            "--proxy-headers",
            "--timeout-graceful-shutdown",
            "5",
            "--timeout-keep-alive",
            "75",
            "--log-level",
            "warning",
        ]

    counts = {"PLYO_REDIS_URL": valkey.url(ports["valkey"], secrets["valkey"])}
    operational = counts | {
        "PLYO_PUBLIC_URL": public,
        "PLYO_API_URL": local["api"],
        "PLYO_API_PROCESSES": os.environ.get("PLYO_API_PROCESSES", str(api_processes())),
        "PLYO_DATABASE_URL": database("plyo_api", "plyo", "postgresql+psycopg"),
        "PLYO_SIGNING_KEY_FILE": str(home.signing_key),
        "PLYO_SIGNING_SEAL_KEYS": secrets["signing_seal"],
        "PLYO_SESSION_SECRET": secrets["session"],
        "PLYO_APP_CLIENT_SECRET": secrets["app_client"],
        "PLYO_FACTOR_KEYS": secrets["factors"],
        # Judged and shown, but nobody is asked: every browser that tries the demo is a stranger on the same address.
        "PLYO_RISK_STEP_UP_AT": "9.9",
        "PLYO_STAFF_MFA": "offered",  # the demo's logins are printed with their password; a deployment requires more
        "PLYO_SMTP_HOST": "127.0.0.1",
        "PLYO_SMTP_PORT": str(ports["smtp"]),
        "PLYO_STRIPE_API_BASE": local["stripe"],
        "PLYO_STRIPE_SECRET_KEY": secrets["stripe_key"],
        "PLYO_STRIPE_WEBHOOK_SECRETS": secrets["stripe_webhook"],
        "PLYO_MOMO_API_BASE": local["momo"],
        "PLYO_MOMO_PARTNER_CODE": MOMO_PARTNER,
        "PLYO_MOMO_ACCESS_KEY": MOMO_PARTNER,
        "PLYO_MOMO_SECRET_KEY": secrets["momo"],
        "PLYO_MOMO_IPN_URL": f"{local['api']}/webhooks/momo",
        "PLYO_HEALTH_DATA_KEYS": secrets["health_data"],
        "PLYO_WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",  # so that a listener on this machine can be tried
        "PLYO_ANALYTICS_URL": local["analytics"],
        "PLYO_GRAPHQL_INTROSPECTION": "true",
        "PLYO_WAREHOUSE_DOCS": str(home.path / "dbt" / "target" / "static_index.html"),
        "PLYO_WAREHOUSE_QUALITY": str(home.path / "dbt" / "target" / "quality"),
        "PLYO_S3_ENDPOINT": local["s3"],
        "PLYO_S3_ACCESS_KEY": objects.ACCESS_KEY,
        "PLYO_S3_SECRET_KEY": secrets["objects"],
        "PLYO_MEDIA_SCANNER": os.environ.get("PLYO_MEDIA_SCANNER", "none"),  # said here because somebody has to
        "PLYO_MEDIA_WORK_FOLDER": str(home.path / "objects" / "work"),
    }
    lake = {"PLYO_LAKE_PATH": str(home.lake)}
    reader = lake | {"PLYO_LAKE_CATALOG_URL": database("lake_reader", "lake")}
    data = lake | {
        # A dozen processes share this machine, and a second thread in each costs more than it brings: a build of the
        # demo's marts takes 27 s with one, 36 s with two.
        "PLYO_LAKE_THREADS": "1",
        "PLYO_LAKE_CATALOG_URL": database("lake_writer", "lake"),
        "PLYO_CDC_URL": database("plyo_cdc", "plyo"),
        "PLYO_ML_PATH": str(home.path / "ml"),
        "PLYO_PUBLIC_URL": public,
        "PLYO_API_URL": local["api"],
        "PLYO_ACTIVATION_CLIENT_ID": "plyo-activation",
        "PLYO_ACTIVATION_CLIENT_SECRET": secrets["activation_client"],
        "PLYO_DAGSTER_URL": database("dagster", "dagster"),
        "DAGSTER_HOME": str(home.path / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DBT_TARGET_PATH": str(home.path / "dbt" / "target"),
        "DBT_LOG_PATH": str(home.logs / "dbt"),
        "PLYO_BUILDER": str(home.path / "dbt" / "builder"),
        "NUMBA_CACHE_DIR": str(home.path / "cache" / "numba"),
        "PLYO_HEALTH_DATA_KEYS": secrets["health_data"],
        "PLYO_STRIPE_API_BASE": local["stripe"],
        "PLYO_STRIPE_SECRET_KEY": secrets["stripe_key"],
    }
    console = {
        "PLYO_PUBLIC_URL": public,
        "PLYO_API_URL": local["api"],
        "PLYO_ANALYTICS_URL": local["analytics"],
    }
    stripe = {
        "STRIPE_FAKE_PUBLIC_URL": local["stripe"],
        "STRIPE_FAKE_SECRET_KEY": secrets["stripe_key"],
        "STRIPE_FAKE_WEBHOOK_URL": f"{local['api']}/webhooks/stripe",
        "STRIPE_FAKE_WEBHOOK_SECRET": secrets["stripe_webhook"],
        "STRIPE_FAKE_STATE": str(home.path / "stripe" / "state.sqlite"),
    }
    momo = {
        "MOMO_FAKE_PUBLIC_URL": local["momo"],
        "MOMO_FAKE_PARTNER_CODE": MOMO_PARTNER,
        "MOMO_FAKE_ACCESS_KEY": MOMO_PARTNER,
        "MOMO_FAKE_SECRET_KEY": secrets["momo"],
        "MOMO_FAKE_NOTIFIES": "true",
        "MOMO_FAKE_STATE": str(home.path / "momo" / "state.sqlite"),
    }
    mailbox = {
        "PLYO_MAILBOX_SMTP_PORT": str(ports["smtp"]),
        "PLYO_MAILBOX_PORT": str(ports["mailbox"]),
        "PLYO_MAILBOX_FOLDER": str(home.path / "mailbox"),
    }
    workspace = str(home.path / "dagster" / "workspace.yaml")
    return [
        Service(
            "gateway",
            gateway.configure(home.path / "gateway", ports, certificate=certificate.ensure(home.path / "gateway")),
            f"one address for everything; by TLS https://127.0.0.1:{ports['gateway_tls']}",
            url=public,
            ready=f"{public}/live",
        ),
        Service(
            "valkey",
            valkey.configure(home.path / "valkey", ports["valkey"], secrets["valkey"]),
            "how often who asked for what, and answers, sealed",
            ready=f"tcp://127.0.0.1:{ports['valkey']}",
        ),
        Service(
            "objects",
            objects.configure(home.path / "objects", ports, secrets["objects"]),
            "videos, by S3",
            objects.environment(),
            ready=f"{local['s3']}/healthz",
        ),
        Service(
            "stripe",
            uvicorn("tests.fakes.stripe.app:serve", ports["stripe"]),
            "payments, a faithful local Stripe",
            stripe,
            ready=f"{local['stripe']}/live",
            url=local["stripe"],
        ),
        Service(
            "momo",
            uvicorn("tests.fakes.momo.app:serve", ports["momo"]),
            "payments in dong, a local MoMo",
            momo,
            ready=f"{local['momo']}/live",
            url=local["momo"],
        ),
        Service(
            "mailbox",
            [python, "-m", "plyo.mailbox"],
            "every e-mail that was sent",
            mailbox,
            ready=f"{local['mailbox']}/mailbox/",
            url=f"{public}/mailbox/",
        ),
        Service(
            "api",
            [python, "-m", "operational_api.serving", "--port", str(ports["api"])],
            "customer app and API",
            operational,
            ready=f"{local['api']}/ready",
            url=public,
        ),
        Service("worker", [python, "-m", "operational_api.worker"], "events, e-mails, webhooks", operational),
        Service(
            "dagster-code",
            [
                python,
                "-m",
                "dagster",
                "code-server",
                "start",
                "-m",
                "orchestration.definitions",
                "-h",
                "127.0.0.1",
                "-p",
                str(ports["dagster_code"]),
                "-d",
                str(checkout()),
            ],
            "the data platform's code",
            data,
            ready=f"tcp://127.0.0.1:{ports['dagster_code']}",
        ),
        Service(
            "dagster-webserver",
            [
                python,
                "-m",
                "orchestration.webserver",
                "-w",
                workspace,
                "-h",
                "127.0.0.1",
                "-p",
                str(ports["dagster"]),
                "--path-prefix",
                "/dagster",
                "--log-level",
                "warning",
            ],
            "data pipelines",
            data | {"PLYO_JWKS_URL": f"{local['api']}/oidc/jwks"},
            ready=f"{local['dagster']}/dagster/server_info",
            url=f"{public}/dagster/",
        ),
        Service(
            "dagster-daemon",
            [str(scripts / "dagster-daemon"), "run", "-w", workspace, "--log-level", "warning"],
            "sensors and schedules",
            data,
        ),
        Service(
            "analytics",
            uvicorn("operational_api.analytics.app:serve", ports["analytics"]),
            "every number",
            reader
            | counts
            | {
                "PLYO_PUBLIC_URL": public,
                "PLYO_JWKS_URL": f"{local['api']}/oidc/jwks",
                "PLYO_AUDIT_DATABASE_URL": database("audit_writer", "plyo", "postgresql+psycopg"),
                "PLYO_DBT_MANIFEST": str(home.path / "dbt" / "target" / "manifest.json"),
                "PLYO_ANALYTICS_ANSWERS_KEY": secrets["answers"],
            },
            ready=f"{local['analytics']}/api/analytics/live",
        ),
        Service(
            "coach",
            [python, "-m", "consoles.coach.serve"],
            "coach console",
            console
            | {
                "PLYO_CONSOLE_CLIENT_ID": "plyo-coach",
                "PLYO_CONSOLE_CLIENT_SECRET": secrets["coach_client"],
                "PLYO_CONSOLE_COOKIE_SECRET": secrets["coach_cookie"],
                "PLYO_CONSOLE_PORT": str(ports["coach"]),
            },
            ready=f"{local['coach']}/coach/_stcore/health",
            url=f"{public}/coach/",
        ),
        Service(
            "admin",
            [python, "-m", "consoles.admin.app"],
            "admin console",
            console
            | {
                "PLYO_CONSOLE_CLIENT_ID": "plyo-admin",
                "PLYO_CONSOLE_CLIENT_SECRET": secrets["admin_client"],
                "PLYO_CONSOLE_COOKIE_SECRET": secrets["admin_cookie"],
                "PLYO_CONSOLE_PORT": str(ports["admin"]),
            },
            ready=f"{local['admin']}/admin/liveness",
            url=f"{public}/admin/",
        ),
    ]


def api_processes() -> int:
    """How many the API runs as here unless somebody says: one to each processor, at most four."""
    return min(os.cpu_count() or 1, 4)


def public_url(ports: Mapping[str, int]) -> str:
    """The gateway's origin: what people type and who issues tokens."""
    return f"http://127.0.0.1:{ports['gateway']}"


def environment_of(service: Service, home: Home) -> dict[str, str]:
    """The machine's environment without anybody's Plyo settings, then the service's own and the copy's mark."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PLYO_", "DAGSTER_", "DBT_"))
    }
    return inherited | dict(service.environment) | {
        STACK_MARK: home.stack_id, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "TZ": "UTC",
        "MALLOC_ARENA_MAX": "2",
    }  # fmt: skip
