"""Runs a Dagster job through the webserver's GraphQL, as a person would from its page, and follows it step by step."""

import time
from collections.abc import Callable, Generator
from typing import Any

import httpx

_LAUNCH = """
mutation Launch($job: String!, $location: String!, $repository: String!) {
  launchRun(executionParams: {
    selector: {jobName: $job, repositoryLocationName: $location, repositoryName: $repository}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
_WHERE = """
{ repositoriesOrError { __typename
    ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
    ... on PythonError { message } } }
"""
_FOLLOW = """
query Follow($run: ID!) {
  runOrError(runId: $run) { __typename
    ... on Run { status stats { ... on RunStatsSnapshot { stepsSucceeded stepsFailed } }
      executionPlan { steps { key } } stepStats { stepKey status } } }
}
"""


class PipelineFailed(RuntimeError):
    """A job did not succeed; the message says which step and where to read more."""


class ServiceToken(httpx.Auth):
    """Puts a service's own token on every request, and gets a new one before it is over.

    Args:
        api_url: Of the operational API.
        client_id: The service as an OAuth client.
        secret: Its secret.
    """

    def __init__(self, api_url: str, client_id: str, secret: str) -> None:
        self._url, self._client = f"{api_url}/oidc/token", (client_id, secret)
        self._token, self._until = "", 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """One request."""
        if time.monotonic() >= self._until:
            answer = httpx.post(self._url, data={"grant_type": "client_credentials"}, auth=self._client, timeout=10)
            found = answer.raise_for_status().json()
            self._token, self._until = found["access_token"], time.monotonic() + found["expires_in"] / 2
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


def run_job(
    url: str,
    job: str,
    *,
    on_step: Callable[[float, float, str], None],
    auth: httpx.Auth | None = None,
    timeout_seconds: float = 600,
) -> None:
    """Launch a job and wait for its end.

    Args:
        url: Of the webserver with its path prefix.
        job: Name of the job.
        on_step: Told steps done, steps in all, and the key of a step under way.
        auth: What the webserver wants to see.
        timeout_seconds: After this the job is given up on; it goes on by itself.

    Raises:
        PipelineFailed: it could not be launched, failed, or took too long.
    """
    with httpx.Client(base_url=url, timeout=60, auth=auth) as client:
        location, repository = _find(client, job)
        launched = _ask(client, _LAUNCH, job=job, location=location, repository=repository)["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise PipelineFailed(f"Dagster refused to start {job}: {launched}")
        run = launched["run"]["runId"]
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            found = _ask(client, _FOLLOW, run=run)["runOrError"]
            total = len((found.get("executionPlan") or {}).get("steps", [])) or 1
            states = {step["stepKey"]: step["status"] for step in found.get("stepStats", [])}
            under_way = next((key for key, state in states.items() if state == "IN_PROGRESS"), "")
            on_step(sum(state == "SUCCESS" for state in states.values()), total, under_way)
            if found.get("status") == "SUCCESS":
                return
            if found.get("status") in ("FAILURE", "CANCELED"):
                failed = [key for key, state in states.items() if state == "FAILURE"]
                raise PipelineFailed(f"{job} failed at {', '.join(failed) or 'its start'}. See {url}/runs/{run}")
            time.sleep(0.5)
    raise PipelineFailed(f"{job} is not done after {timeout_seconds:.0f} s. See {url}/runs/{run}")


def _find(client: httpx.Client, job: str, *, patience_seconds: float = 120) -> tuple[str, str]:
    # The webserver learns of the code server's assets a while after both answer.
    deadline = time.monotonic() + patience_seconds
    while True:
        answer = _ask(client, _WHERE)["repositoriesOrError"]
        for node in answer.get("nodes", []):
            if job in {known["name"] for known in node["jobs"]}:
                return node["location"]["name"], node["name"]
        if time.monotonic() > deadline:
            raise PipelineFailed(
                f"Dagster knows no job {job}: its code did not load. {answer.get('message', '')}".strip()
            )
        time.sleep(0.5)


def _ask(client: httpx.Client, query: str, **variables: object) -> dict[str, Any]:
    answer = client.post("/graphql", json={"query": query, "variables": variables})
    answer.raise_for_status()
    document = answer.json()
    if document.get("errors"):
        raise PipelineFailed(f"Dagster answered: {document['errors'][0]['message']}")
    data: dict[str, Any] = document["data"]
    return data
