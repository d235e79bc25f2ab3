"""Prints the rows of Parquet files as DuckDB reads them: the names and types of the columns, then a list for each row.

A time is the number of microseconds since 1970; decimals are texts.
"""

import json
import sys

import duckdb

duckdb.sql(f"CREATE VIEW found AS SELECT * FROM read_parquet('{sys.argv[1]}', hive_partitioning = true)")
columns = [(name, kind) for name, kind, *_ in duckdb.sql("DESCRIBE found").fetchall()]
print(json.dumps([[name for name, _ in columns], [kind for _, kind in columns]]))
shown = [f'epoch_us("{name}")' if kind.startswith("TIMESTAMP") else f'"{name}"' for name, kind in columns]
for row in duckdb.sql(f"SELECT {', '.join(shown)} FROM found").fetchall():
    print(json.dumps([value if isinstance(value, (type(None), bool, int)) else str(value) for value in row]))
