"""A browser for tests of pages: asks for HTML, follows redirects, posts forms with the CSRF token of the last page."""

import re
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient


class Browser(TestClient):
    """`get` pages as usual; `submit` a form as the page last seen would.

    Args:
        app: The application, made by `operational_api.app.create_app`.
        base_url: Origin it believes to be at; must be the host of the app's `public_url`.
    """

    def __init__(self, app: FastAPI, base_url: str = "http://testserver") -> None:
        super().__init__(app, base_url=base_url, headers={"Accept": "text/html,*/*"}, raise_server_exceptions=False)
        self.csrf_token = ""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Remember the token of each page, as the page's own forms do."""
        response = super().send(request, **options)
        if found := re.search(r'<meta name="csrf-token" content="(\w+)"', response.text):
            self.csrf_token = found[1]
        return response

    def submit(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        """Post a form; get some page first."""
        return self.post(path, data={"csrf_token": self.csrf_token} | (data or {}), **options)
