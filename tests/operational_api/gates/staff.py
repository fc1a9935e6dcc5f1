"""Routes of which actions of staff are the gate."""

ROUTES_OF: dict[str, tuple[str, ...]] = {
    "staff.open_desk": ("GET /staff",),
    "staff.read_requests": ("GET /staff/requests",),
}
