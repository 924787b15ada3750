"""Prints what pyarrow and pandas read from an Arrow file and the same as a stream, as JSON with exact integers as text."""

import json
import sys

import pandas as pd
import pyarrow as pa


def plain(value):
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    raise TypeError(type(value))


def nanoseconds(column):
    """Times as integers, in lists and structures too: Python's own times have microseconds only."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    if pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type):
        fields = [
            pa.field(field.name, pa.int64() if pa.types.is_timestamp(field.type) else field.type)
            for field in column.type.value_type
        ]
        return column.cast(pa.list_(pa.struct(fields)))
    return column


file_path, stream_path = sys.argv[1:]
table = pa.ipc.open_file(file_path).read_all()
table.validate(full=True)
stream = pa.ipc.open_stream(stream_path).read_all()
stream.validate(full=True)

columns = {}
for field in table.schema:
    metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    values = plain(nanoseconds(table[field.name]).to_pylist())
    columns[field.name] = {"type": str(field.type), "metadata": metadata, "values": values}

frame = table.to_pandas()
exact = table.to_pandas(types_mapper=pd.ArrowDtype)
groups = frame.groupby("name")["duration_ms"].agg(["count", "mean"])
print(
    json.dumps(
        {
            "same": table.equals(stream, check_metadata=True),
            "columns": columns,
            "pandas": {
                "start_time": str(frame["start_time"].dtype),
                "nanoseconds": [str(time.value) for time in frame["start_time"]],
                "types": {name: str(exact[name].dtype) for name in exact.columns},
                "long": [None if value is pd.NA else str(value) for value in exact.get("attributes.long", [])],
                "groups": {name: [int(row["count"]), float(row["mean"])] for name, row in groups.iterrows()},
            },
        }
    )
)
