"""What watches, rings, scales and files of workouts tell, as typed rows in raw: one row per measurement as it was told.

Belongs here: a table of fields per source (`terra`, `fitbit`, `garmin`, `files`), the judgement of values, and the
connectors that bring payloads. Does not: consent and storage of webhooks (the operational API), nor which of two
payloads or devices wins, which is a model's. What the models need for it is in every row:

- `payload_id`, `position`, `normaliser_version` say where a row comes from; of one payload and position the highest
  version counts.
- Of `customer_id`, `source`, `provider`, `kind`, `identity` (`tables.SAME`) the row with the newest (`ordering_at`,
  `received_at`) wins whole: Terra sends supersets. Only scores (`*score`, `strain`, `trimp`) fall back to older rows,
  because a source computes them later and may leave them out of a later payload. An `is_deleted` row that wins removes
  the activity. `external_user_id` is no part of it: a person who connects anew gets another.
- `kind` is part of it, for Fitbit and Garmin tell one day in several kinds; a model joins these column by column.
- `hrv_rmssd_ms` and `hrv_sdnn_ms` are different measures and never fall back to each other.
- One workout told by two devices has two identities; matching them by time is a model's.
"""
