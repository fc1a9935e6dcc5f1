"""OAuth's errors, in the shape that its clients expect (RFC 6749, section 5.2)."""

from typing import Any

from fastapi.responses import JSONResponse


class OAuthError(Exception):
    """A refusal by the protocol.

    Args:
        error: Code out of the RFCs, such as `invalid_grant`.
        description: For whoever debugs the client; ASCII.
    """

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error, self.description, self.status = error, description, status

    def response(self) -> JSONResponse:
        """As the token and revocation endpoints answer it."""
        headers = {"Cache-Control": "no-store"}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="plyo"'
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, self.status, headers=headers)


def invalid_client() -> OAuthError:
    """The client is unknown or did not prove who it is: the same answer for both."""
    return OAuthError("invalid_client", "Unknown client or wrong secret.", 401)


def invalid_grant(description: str) -> OAuthError:
    """The code or refresh token does not serve any more, or never did."""
    return OAuthError("invalid_grant", description)


REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "Refused in the protocol's own words (RFC 6749, 5.2); a call without a token gets none.",
        "content": {
            "application/json": {
                "schema": {
                    "type": ["object", "null"],
                    "required": ["error"],
                    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
                }
            }
        },
    }
}
"""What the protocol's endpoints answer instead of the house's problem documents, for the API's description."""
