"""Pages of training, one module a matter; each names the action that opens it, and the menu follows the policy."""

from fastapi import APIRouter

from operational_api.training.pages import exercises, training
from operational_api.web.navigation import NavItem

router = APIRouter()
for _part in (training, exercises):
    router.include_router(_part.router)
NAV = [
    NavItem("Training", "/training", "training.train", order=10, icon="dumbbell"),
    NavItem("Progress", "/progress", "training.train", order=40, icon="chart"),
    NavItem("Exercises", "/exercises", "training.train", order=45, icon="search"),
]
