"""Whether what a source sends can be what it says: a Great Expectations suite for each raw table, and what failed.

- `suite`: what a suite is made of, and the expectations that suites share. Imports no Great Expectations.
- `pulled`: suites of tables that connectors fill. A batch is judged before it lands; bad rows are put aside.
- `captured`: suites of change logs of PostgreSQL. Judged after landing: a log that left rows out would be none.
- `landed`: a second look at what connectors and wearables have landed.
- `judge`: running a suite over rows. `judged`: what is told of a table. `page`: the pages of all of them.
- `quarantine`: rows put aside with their reasons, driving them in again, and forgetting them.
- `watched`, `drift`: whether columns are distributed as they were.

Rules of the business belong to the operational API, and rules over several tables to dbt.
"""
