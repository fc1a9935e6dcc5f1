"""Training owns clients' profiles, coach assignments, exercises, programmes, workouts, injuries and wearable days.

It asks nothing of other contexts. A change to a programme never alters logged history.
"""
