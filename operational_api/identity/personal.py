"""What identity gives a person of itself: the account, how they sign in and from where. No secret, sealed or hashed."""

from operational_api.core.personal import DELETED, Contributed, Elsewhere, Emptied, given

_OF_USE_ONCE = "a secret by which one signs in, of minutes or of one use; it says nothing of you"
PERSONAL = [
    Contributed(
        "identity",
        {
            "accounts": given("id", Elsewhere("deletion.forget_closed"), omit="password_hash"),
            "deletion_requests": given("account_id", Emptied({"reason": ""})),
            "factor_resets": given(
                "account_id", Emptied({"reason": "", "decision_reason": None}), omit="requested_by decided_by"
            ),
            "linked_logins": given("account_id", DELETED),
            "login_sessions": given("account_id", DELETED, omit="token_hash"),
            "passkeys": given("account_id", DELETED, omit="credential_id public_key"),
            "role_grants": given(
                "account_id", Emptied({"reason": "", "decision_reason": None}), omit="requested_by decided_by"
            ),
            "sign_in_attempts": given("account_id", DELETED, omit="account_key device_key"),
            "totp_devices": given("account_id", DELETED, omit="sealed_secret"),
        },
        {
            "authorization_codes": _OF_USE_ONCE,
            "email_tokens": _OF_USE_ONCE,
            "passkey_challenges": _OF_USE_ONCE,
            "pending_sign_ins": _OF_USE_ONCE,
            "recovery_codes": _OF_USE_ONCE,
            "refresh_tokens": _OF_USE_ONCE,
        },
    )
]
