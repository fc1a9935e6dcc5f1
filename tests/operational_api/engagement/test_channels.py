"""One contract for every way out, each against a server of its provider's shape and spoken by its own client."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from socket import SHUT_RDWR, create_server
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.ids import new_id
from operational_api.engagement.channels import segments
from operational_api.engagement.channels.email import SendGridGateway, SmtpGateway, compose
from operational_api.engagement.channels.port import (
    Device,
    Gateway,
    NotSent,
    Ready,
    Receipt,
    Refused,
    TryAgain,
    Unavailable,
    Undecided,
)
from operational_api.engagement.channels.push import PushGateway
from operational_api.engagement.channels.rendering import render
from operational_api.engagement.channels.sms import SmsGateway
from operational_api.engagement.channels.whatsapp import WhatsAppGateway
from operational_api.engagement.settings import ChannelSettings
from plyo.postgres import free_port
from tests.operational_api.engagement.conftest import Post
from tests.operational_api.engagement.providers import Browser, Cloud

VALUES = {"name": "Mia", "sender": "Ana", "body": "Chào <b>", "path": "/messages"}
BROWSER = Browser()


def message(**given: Any) -> Ready:
    """A coach's message, ready to leave."""
    base = Ready(
        id=new_id(), template="new_message", purpose="coaching", recipient="+84912345678",
        rendered=render("new_message", VALUES, public_url="https://plyo.example"), language="en",
        created_at=datetime(2026, 3, 2, 12, tzinfo=UTC), first_name="Mia", path="/messages", is_window_open=True,
        unsubscribe_url="https://plyo.example/unsubscribe/x",
    )  # fmt: skip
    return replace(base, **given)


@dataclass(frozen=True)
class Way:
    """One gateway under the contract, and where to see what arrived."""

    gateway: Callable[[ChannelSettings], Gateway]
    arrived: Callable[[Cloud, Post], list[str]]
    given: Callable[[Cloud], dict[str, Any]] = lambda _: {}
    down: type[NotSent] = Unavailable


def _web(cloud: Cloud) -> dict[str, Any]:
    return {"devices": [Device(new_id(), "web", f"{cloud.url}/push/1", BROWSER.p256dh, BROWSER.auth)]}


WAYS = {
    "smtp": Way(
        SmtpGateway, lambda _, post: [str(mail.get_payload()) for mail in post.mails],
        lambda _: {"recipient": "mia@plyo.test"},
    ),
    "sendgrid": Way(
        SendGridGateway, lambda cloud, _: [one["content"][0]["value"] for one in cloud.emails],
        lambda _: {"recipient": "mia@plyo.test"},
    ),
    "sms": Way(SmsGateway, lambda cloud, _: [one["body"] for one in cloud.texts]),
    "whatsapp": Way(WhatsAppGateway, lambda cloud, _: [one["body"] for one in cloud.texts]),
    "web push": Way(
        PushGateway, lambda cloud, _: [BROWSER.read(body)["body"] for _, _, body in cloud.pushes], _web, down=TryAgain
    ),
    "fcm": Way(
        PushGateway, lambda cloud, _: [one["notification"]["body"] for one in cloud.apps],
        lambda _: {"devices": [Device(new_id(), "fcm", "app-token", "", "")]}, down=TryAgain,
    ),
}  # fmt: skip


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


class TestContract:
    def test_what_is_handed_over_arrives_once(
        self, way: Way, cloud: Cloud, post: Post, channel_settings: ChannelSettings
    ) -> None:
        with way.gateway(channel_settings).opened() as sender:
            assert isinstance(sender.send(message(**way.given(cloud))), Receipt)
        assert len(way.arrived(cloud, post)) == 1

    def test_a_refusal_for_good_is_told_apart(
        self, way: Way, cloud: Cloud, post: Post, channel_settings: ChannelSettings
    ) -> None:
        cloud.mishap, post.answer = "refuse", "550 no such user"
        with way.gateway(channel_settings).opened() as sender, pytest.raises(Refused):
            sender.send(message(**way.given(cloud)))

    def test_a_provider_that_is_busy_is_no_refusal(
        self, way: Way, cloud: Cloud, post: Post, channel_settings: ChannelSettings
    ) -> None:
        cloud.mishap, post.answer = "busy", "451 later"
        with way.gateway(channel_settings).opened() as sender, pytest.raises((TryAgain, Unavailable)):
            sender.send(message(**way.given(cloud)))

    def test_a_provider_that_is_down_takes_nothing(
        self, way: Way, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        nowhere = f"http://127.0.0.1:{free_port()}"
        down = channel_settings.model_copy(
            update={
                "smtp_port": 1, "sendgrid_base_url": nowhere, "twilio_base_url": nowhere, "fcm_base_url": nowhere,
                "push_origins": nowhere,
            }
        )  # fmt: skip
        given = way.given(cloud)
        if "devices" in given:
            moved = given["devices"][0].endpoint.replace(cloud.url, nowhere)
            given["devices"] = [replace(given["devices"][0], endpoint=moved)]
        with pytest.raises(way.down), way.gateway(down).opened() as sender:
            sender.send(message(**given))

    @pytest.mark.parametrize("name", ["sms", "whatsapp", "web push", "fcm"])
    def test_news_that_a_provider_would_not_take_whole_are_refused_unasked_and_its_address_lives(
        self, name: str, cloud: Cloud, post: Post, channel_settings: ChannelSettings
    ) -> None:
        way = WAYS[name]
        given = {**VALUES, "subject": "Tin vui", "body": "Chào bạn! " * 400}
        long = message(
            rendered=render("announcement", given, public_url="https://plyo.example", language="vi"), **way.given(cloud)
        )
        with way.gateway(channel_settings).opened() as sender, pytest.raises(Refused) as refused:
            sender.send(long)
        assert (refused.value.reason, refused.value.dead, list(refused.value.gone)) == ("too_long", None, [])
        assert way.arrived(cloud, post) == []

    @pytest.mark.parametrize(("name", "longest"), [("whatsapp", 1600), ("web push", 3800), ("fcm", 1850)])
    def test_what_just_fits_arrives(
        self, name: str, longest: int, cloud: Cloud, post: Post, channel_settings: ChannelSettings
    ) -> None:
        way = WAYS[name]
        fits = message(rendered=replace(message().rendered, short="x" * longest), **way.given(cloud))
        with way.gateway(channel_settings).opened() as sender:
            sender.send(fits)
        assert way.arrived(cloud, post) == ["x" * longest]

    @pytest.mark.parametrize("name", WAYS)
    def test_silence_after_the_message_was_taken_is_doubt(
        self, name: str, cloud: Cloud, post: Post, channel_settings: ChannelSettings
    ) -> None:
        cloud.mishap, post.answer, way = "silent", "silence", WAYS[name]
        gateway = way.gateway(channel_settings)
        with gateway.opened() as sender, pytest.raises(Undecided):
            sender.send(message(**way.given(cloud)))


class TestHangingUp:
    def test_before_a_mail_was_handed_over_is_no_doubt(self, post: Post, channel_settings: ChannelSettings) -> None:
        with SmtpGateway(channel_settings).opened() as sender:
            sender.send(message(recipient="mia@plyo.test"))
            sender.server.sock.shutdown(SHUT_RDWR)  # type: ignore[attr-defined]
            with pytest.raises(TryAgain):
                sender.send(message(recipient="mia@plyo.test"))
        assert len(post.mails) == 1


class TestEmail:
    def test_what_is_shown_before_is_what_arrives_to_the_byte(
        self, post: Post, channel_settings: ChannelSettings
    ) -> None:
        mail = message(recipient="mia@plyo.test")
        with SmtpGateway(channel_settings).opened() as sender:
            sender.send(mail)
        assert post.bodies == [compose(mail, channel_settings.mail_from).as_bytes()]

    def test_leaves_with_one_click(self, cloud: Cloud, post: Post, channel_settings: ChannelSettings) -> None:
        way = f"https://plyo.example/unsubscribe/{'x' * 90}"
        mail = message(recipient="mia@plyo.test", unsubscribe_url=way)
        for gateway in (SmtpGateway(channel_settings), SendGridGateway(channel_settings)):
            with gateway.opened() as sender:
                sender.send(mail)
        for headers in (post.mails[0], cloud.emails[0]["headers"]):
            assert headers["List-Unsubscribe"] == f"<{way}>"
            assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        plain = compose(replace(mail, unsubscribe_url=None), channel_settings.mail_from)
        assert plain["List-Unsubscribe"] is None

    def test_sendgrid_is_given_the_same_words_and_counts_no_opens(
        self, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        mail = message(recipient="mia@plyo.test")
        with SendGridGateway(channel_settings).opened() as sender:
            assert sender.send(mail).provider_message_id == "sg-1"
        [told] = cloud.emails
        assert [one["value"] for one in told["content"]] == [mail.rendered.text, mail.rendered.html]
        assert told["custom_args"] == {"plyo_message_id": str(mail.id)}
        assert told["tracking_settings"]["open_tracking"] == {"enable": False}

    def test_sendgrids_own_client_speaks_on_one_connection_and_writes_no_key_down(
        self, cloud: Cloud, channel_settings: ChannelSettings, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with SendGridGateway(channel_settings).opened() as sender:
            for _ in range(2):
                sender.send(message(recipient="mia@plyo.test"))
        assert {path for path, _, _ in cloud.asked} == {"/v3/mail/send"}
        assert {agent.partition("/")[0] for _, _, agent in cloud.asked} == {"sendgrid"}
        assert (len(cloud.emails), len({port for _, port, _ in cloud.asked})) == (2, 1)
        assert caplog.records  # of the wire below it
        assert "SG.test" not in caplog.text

    def test_a_key_of_sendgrids_follows_no_redirect(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        cloud.mishap = "moved"
        with SendGridGateway(channel_settings).opened() as sender, pytest.raises(Unavailable, match="302"):
            sender.send(message(recipient="mia@plyo.test"))
        assert [path for path, _, _ in cloud.asked] == ["/v3/mail/send"]


class TestBounces:
    @pytest.mark.parametrize(
        "said",
        [
            "550 5.1.1 <mia@plyo.test>: Recipient address rejected", "550 5.1.6 the mailbox has moved",
            "550 5.1.10 null MX", "550 No such user here", "550 mailbox not found", "551 User unknown; no forwarding",
        ],
    )  # fmt: skip
    def test_an_address_that_is_wrong_for_good_is_dead(
        self, post: Post, channel_settings: ChannelSettings, said: str
    ) -> None:
        post.answer = said
        assert self.refusal(channel_settings).dead == "bounce"

    @pytest.mark.parametrize(
        "said",
        [
            "550 5.7.1 Message rejected by policy", "550 by policy", "554 5.7.26 unauthenticated mail", "550 refused",
            "553 5.1.8 Sender address rejected: Domain not found", "550 5.2.1 mailbox disabled", "552 5.3.4 too big",
        ],
    )  # fmt: skip
    def test_another_no_ends_the_message_alone(self, post: Post, channel_settings: ChannelSettings, said: str) -> None:
        post.answer = said
        assert self.refusal(channel_settings).dead is None

    @pytest.mark.parametrize(
        "said", ["552 5.2.2 Mailbox full", "452 4.2.2 full", "451 4.7.1 greylisted", "421 4.1.1 x"]
    )
    def test_what_passes_is_tried_again(self, post: Post, channel_settings: ChannelSettings, said: str) -> None:
        post.answer = said
        with pytest.raises(TryAgain), SmtpGateway(channel_settings).opened() as sender:
            sender.send(message(recipient="mia@plyo.test"))

    def refusal(self, settings: ChannelSettings) -> Refused:
        with pytest.raises(Refused) as refused, SmtpGateway(settings).opened() as sender:
            sender.send(message(recipient="mia@plyo.test"))
        return refused.value


class TestTwilio:
    @pytest.mark.parametrize("gateway", [SmsGateway, WhatsAppGateway])
    def test_looks_before_it_sends_again_what_may_have_left(
        self, cloud: Cloud, channel_settings: ChannelSettings, gateway: type[SmsGateway]
    ) -> None:
        cloud.mishap, before, text = "silent", datetime.now(UTC), message()
        with pytest.raises(Undecided):
            gateway(channel_settings).send(text)
        cloud.mishap = ""
        receipt = gateway(channel_settings).send(replace(text, doubtful_since=before))
        assert receipt.provider_message_id == cloud.texts[0]["sid"]
        assert len(cloud.texts) == 1

    def test_sends_again_what_had_not_left(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        SmsGateway(channel_settings).send(message(doubtful_since=datetime.now(UTC)))
        assert len(cloud.texts) == 1

    def test_a_number_that_said_stop_is_dead(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        cloud.mishap = "stopped"
        with pytest.raises(Refused) as refused:
            SmsGateway(channel_settings).send(message())
        assert refused.value.dead == "stop"

    def test_advertising_says_how_to_end_it(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        SmsGateway(channel_settings).send(message(purpose="marketing", language="vi"))
        assert cloud.texts[0]["body"].endswith("Trả lời STOP để ngừng nhận tin.")
        assert cloud.texts[0]["form"]["StatusCallback"].split("?")[0].endswith("/webhooks/twilio/status")

    def test_refuses_a_novel(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        long = replace(message().rendered, short="ă" * 671)
        with pytest.raises(Refused, match="too_long"):
            SmsGateway(channel_settings).send(message(rendered=long))
        assert cloud.texts == []

    def test_free_text_outside_the_window_is_refused_before_anybody_is_asked(
        self, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        with pytest.raises(Refused) as refused:
            WhatsAppGateway(channel_settings).send(message(is_window_open=False))
        assert (refused.value.reason, refused.value.dead, cloud.texts) == ("window_closed", None, [])

    def test_an_approved_template_goes_at_any_time(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        approved = {"new_message": "HX1", "new_message:vi": "HX2"}
        settings = channel_settings.model_copy(update={"whatsapp_templates": approved})
        WhatsAppGateway(settings).send(message(is_window_open=False))
        WhatsAppGateway(settings).send(message(is_window_open=False, language="vi"))
        forms = [one["form"] for one in cloud.texts]
        assert [form["ContentSid"] for form in forms] == ["HX1", "HX2"]
        assert json.loads(forms[0]["ContentVariables"]) == {"1": "Mia", "2": message().rendered.short}
        assert forms[0]["To"] == "whatsapp:+84912345678"


class TestSegments:
    @pytest.mark.parametrize(
        ("text", "encoding", "expected"),
        [
            ("", "GSM-7", 1), ("a" * 160, "GSM-7", 1), ("a" * 161, "GSM-7", 2), ("a" * 306, "GSM-7", 2),
            ("a" * 307, "GSM-7", 3), ("€" * 80, "GSM-7", 1), ("€" * 81, "GSM-7", 2),
            ("a" * 152 + "€" + "a" * 10, "GSM-7", 2), ("a" * 152 + "€" + "a" * 152, "GSM-7", 3),
            ("ă" * 70, "UCS-2", 1), ("ă" * 71, "UCS-2", 2), ("ă" * 135, "UCS-2", 3), ("😀" * 35, "UCS-2", 1),
            ("😀" * 36, "UCS-2", 2), ("😀" * 67, "UCS-2", 3),
        ],
    )  # fmt: skip
    def test_are_counted_as_they_are_billed(self, text: str, encoding: str, expected: int) -> None:
        assert segments.count(text) == segments.Count(encoding, expected)  # type: ignore[arg-type]


class TestPush:
    def test_only_the_browser_reads_it(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        sent = message(**_web(cloud))
        PushGateway(channel_settings).send(sent)
        [(_, headers, body)] = cloud.pushes
        told = BROWSER.read(body)
        assert told == {
            "title": "Ana sent you a message", "body": "Ana: Chào <b>", "url": "/messages", "tag": sent.id.hex,
            "lang": "en",
        }  # fmt: skip
        assert headers["topic"] == sent.id.hex
        assert "Chào".encode() not in body
        with pytest.raises(Exception, match=r".*"):
            Browser().read(body)

    def test_forgets_what_is_gone_and_reaches_the_rest(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        gone = Device(new_id(), "web", f"{cloud.url}/push/gone", BROWSER.p256dh, BROWSER.auth)
        [alive] = _web(cloud)["devices"]
        receipt = PushGateway(channel_settings).send(message(devices=[gone, alive]))
        assert (receipt.gone, len(cloud.pushes)) == ([gone.id], 1)
        with pytest.raises(Refused) as refused:
            PushGateway(channel_settings).send(message(devices=[gone]))
        assert list(refused.value.gone) == [gone.id]

    @pytest.mark.parametrize("p256dh", ["A" * 87, "A" * 81])
    def test_what_cannot_be_sealed_for_a_browser_has_not_left_and_keeps_nothing_from_others(
        self, cloud: Cloud, channel_settings: ChannelSettings, p256dh: str
    ) -> None:
        [alive] = _web(cloud)["devices"]
        broken = replace(alive, p256dh=p256dh)
        with pytest.raises(TryAgain):
            PushGateway(channel_settings).send(message(devices=[broken]))
        PushGateway(channel_settings).send(message(devices=[broken, alive]))
        assert len(cloud.pushes) == 1

    @pytest.mark.asvs("1.3.6")
    def test_posts_nowhere_but_to_push_services(self, channel_settings: ChannelSettings) -> None:
        default = ChannelSettings(session_secret=channel_settings.session_secret)
        for fine in ("https://fcm.googleapis.com/fcm/send/x", "https://db5p.notify.windows.com/w/?token=x"):
            assert default.is_push_service(fine)
        for bad in (
            "http://fcm.googleapis.com/x", "https://169.254.169.254/latest", "https://fcm.googleapis.com@10.0.0.1/",
            "https://fcm.googleapis.com.evil.test/", "https://evil.test/?https://fcm.googleapis.com",
            "https://a@b.notify.windows.com/",
        ):  # fmt: skip
            assert not default.is_push_service(bad)

    def test_of_fcm_only_the_token_that_is_gone_is_forgotten(
        self, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        phone = Device(new_id(), "fcm", "app-token", "", "")
        cloud.mishap = "lost"
        with pytest.raises(TryAgain) as later:
            PushGateway(channel_settings).send(message(devices=[phone]))
        assert list(later.value.gone) == []
        cloud.mishap = "refuse"
        with pytest.raises(Refused) as never:
            PushGateway(channel_settings).send(message(devices=[phone]))
        assert list(never.value.gone) == [phone.id]

    def test_fcm_keeps_its_token(self, cloud: Cloud, channel_settings: ChannelSettings) -> None:
        gateway = PushGateway(channel_settings)
        for _ in range(2):
            gateway.send(message(devices=[Device(new_id(), "fcm", "app-token", "", "")]))
        assert (len(cloud.apps), cloud.tokens) == (2, 1)
        assert cloud.apps[0]["android"]["notification"]["tag"] == cloud.apps[0]["data"]["tag"]
        assert {by.partition("/")[0] for path, _, by in cloud.asked if path != "/token"} == {"gdcl"}  # Google's library
        assert len({port for path, port, _ in cloud.asked if path != "/token"}) == 1

    @pytest.mark.parametrize(
        ("mishap", "asked"),
        [
            ("moved", ["/token", "/v1/projects/plyo-app/messages:send"]), ("unsigned", ["/token"]), ("broken key", []),
            ("no project", ["/token"]),
        ],
    )  # fmt: skip
    def test_where_fcm_is_at_fault_it_is_asked_once_and_browsers_are_told_all_the_same(
        self, cloud: Cloud, channel_settings: ChannelSettings, mishap: str, asked: list[str],
    ) -> None:  # fmt: skip
        account = json.loads(channel_settings.fcm_service_account.get_secret_value())
        if mishap == "broken key":
            account["private_key"] = account["private_key"].replace("PRIVATE", "PIRATE")
        if mishap == "no project":
            del account["project_id"]
        settings = channel_settings.model_copy(update={"fcm_service_account": SecretStr(json.dumps(account))})
        gateway, phone = PushGateway(settings), Device(new_id(), "fcm", "app-token", "", "")
        cloud.mishap = mishap
        with pytest.raises(TryAgain) as later:
            gateway.send(message(devices=[phone]))
        assert [path for path, _, _ in cloud.asked] == asked
        assert account["private_key"].splitlines()[1] not in str(later.value)
        gateway.send(message(devices=[phone, *_web(cloud)["devices"]]))
        assert len(cloud.pushes) == 1

    def test_what_fcm_took_before_it_went_down_may_have_left(
        self, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        """Google's library asks once more where a connection ended without an answer: that nobody is there any more
        says nothing of the first time."""
        taken: list[bytes] = []

        def take() -> None:
            with listening.accept()[0] as line:
                listening.close()
                taken.append(line.recv(65536))

        with create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            google = Thread(target=take)
            google.start()
            gateway = PushGateway(channel_settings.model_copy(update={"fcm_base_url": url}))
            with pytest.raises(Undecided):
                gateway.send(message(devices=[Device(new_id(), "fcm", "app-token", "", "")]))
            google.join(10)
        assert len(taken) == 1
