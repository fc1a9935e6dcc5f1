"""Whether what a source sends can be what it says: a Great Expectations suite for each raw table, and what failed.

- `suite`: what a suite is made of, and the expectations that suites share. Imports no Great Expectations.
- `pulled`: suites of tables that connectors fill. A batch is judged before it lands; bad rows are put aside.
- `captured`: suites of change logs of PostgreSQL. Judged after landing: a log that left rows out would be none.
- `judge`: running a suite over rows. `quarantine`: rows put aside with their reasons, and driving them in again.

Rules of the business belong to the operational API, and rules over several tables to dbt.
"""
