"""Training owns clients' profiles, coach assignments, the catalogue of movements, programmes with their versions,
workouts, records, and what clients tell about their health: injuries, questionnaire, goals, habits, check-ins, setting
up.

It asks compliance what a client shows, and hears of bookings and memberships by events. A change to a programme never
alters logged history.
"""
