"""Names, schedules and checks of the data platform; the only importer of Dagster.

Belongs here: wiring of assets, jobs, sensors, resources. Does not: extraction, SQL, models of the world.
"""
