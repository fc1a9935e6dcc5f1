"""Routes of which actions of platform are the gate."""

ROUTES_OF: dict[str, tuple[str, ...]] = {
    "platform.read_public": (
        "GET /live",
        "GET /ready",
        "GET /gateway/authorize",
        "GET /sw.js",
        "GET /manifest.webmanifest",
        "GET /favicon.ico",
        "GET /offline",
        "GET /api/docs",
        "GET /design",
        "GET /api/graphql/queries",
    ),
}
