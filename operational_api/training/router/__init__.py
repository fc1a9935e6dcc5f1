"""HTTP to the services of training and back, under /api/training; one module a matter."""

from fastapi import APIRouter

from operational_api.training.router import exercises, health, programmes, training

router = APIRouter()
for _part in (training, exercises, programmes, health):
    router.include_router(_part.router)
