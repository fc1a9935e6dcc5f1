"""Change data capture: the operational database's write-ahead log as an append-only change log in `raw`.

Start with `capture` (what an orchestrator calls) and `publication` (what may leave the database). A change passes
`slot` (read), `decode` (bytes to Arrow, by `kernels`, `columns` and `texts`) and `land` (append); `snapshot` copies
whole tables at an exact point of the log, `progress` is what the lake knows of all this, `lag` what people want to
know.
"""
