"""Another language's view of the contract: fastavro reads what Postrider wrote, and writes it again.

Reads a JSON list on standard input, each item {"record": "ledger", "object": "c301…"} with an Avro single object in
hexadecimal. Answers with a JSON list, each item
  fingerprint  CRC-64-AVRO of the schema as fastavro computes it, in hexadecimal, in the wire's byte order
  meaning      what the datum says: field names as in the schema, bytes as lists of numbers, times in milliseconds
  object       the same record written by fastavro as a single object
The schemas are read from the folder above this file.
"""

import datetime
import io
import json
import pathlib
import sys

import fastavro
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form

SCHEMAS = pathlib.Path(__file__).resolve().parent.parent
MARK = b"\xc3\x01"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def meaning(value):
    """The value in JSON's types."""
    if isinstance(value, dict):
        return {name: meaning(item) for name, item in value.items()}
    if isinstance(value, list):
        return [meaning(item) for item in value]
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    return value


def answer(item):
    path = SCHEMAS / f"{item['record']}.avsc"
    schema = load_schema(path)
    mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(json.loads(path.read_text())), "CRC-64-AVRO"))
    framed = bytes.fromhex(item["object"])
    if framed[:2] != MARK or framed[2:10] != mark:
        sys.exit(f"{item['record']}: the frame is {framed[:10].hex()}, fastavro expects {(MARK + mark).hex()}")
    datum = io.BytesIO(framed[10:])
    record = fastavro.schemaless_reader(datum, schema)
    if datum.read():
        sys.exit(f"{item['record']}: bytes are left over")
    written = io.BytesIO()
    fastavro.schemaless_writer(written, schema, record)
    return {
        "fingerprint": mark.hex(),
        "meaning": meaning(record),
        "object": (MARK + mark + written.getvalue()).hex(),
    }


if __name__ == "__main__":
    json.dump([answer(item) for item in json.load(sys.stdin)], sys.stdout)
