"""Pages of training, one module a matter; each names the action that opens it, and the menu follows the policy."""

from fastapi import APIRouter, Depends

from operational_api.training.naming import called
from operational_api.training.pages import (
    coaching,
    exercises,
    injuries,
    media,
    onboarding,
    programmes,
    templates,
    training,
    wellbeing,
    workouts,
)
from operational_api.training.service.waiting import waiting_count
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import speak_to_reader

router = APIRouter(dependencies=[Depends(speak_to_reader)])
FILTERS = {"called": called}
for _part in (training, workouts, injuries, exercises, wellbeing, onboarding, coaching, programmes, templates, media):
    router.include_router(_part.router)
router.include_router(wellbeing.checks)
NAV = [
    NavItem("Training", "/training", "training.train", order=10, icon="dumbbell"),
    NavItem("Progress", "/progress", "training.train", order=40, icon="chart"),
    NavItem("Wellbeing", "/wellbeing", "training.keep_wellbeing", order=42, icon="heart"),
    NavItem("Exercises", "/exercises", "training.read_exercises", order=45, icon="search"),
    NavItem("Videos", "/media", "training.watch_media", order=44, icon="play"),
    NavItem("My clients", "/coaching", "training.coach", order=3, icon="users", badge=waiting_count),
]
