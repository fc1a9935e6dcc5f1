"""HTTP to the services of training and back, under /api/training; one module a matter."""

from fastapi import APIRouter

from operational_api.training.router import exercises, health, media, media_files, programmes, training

router = APIRouter()
for _part in (training, exercises, programmes, health, media, media_files):
    router.include_router(_part.router)
