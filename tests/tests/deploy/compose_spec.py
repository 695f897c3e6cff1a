"""Holds Compose files against the JSON schema of the Compose Specification and prints every violation, one a line.

  python compose_spec.py FILE…

The schema is the one inside the package docker-compose, of which nothing is run. Ends with 1 if there is a violation.
"""

import importlib.metadata
import json
import re
import sys

import jsonschema
import yaml

PORT = r"\d{1,5}(-\d{1,5})?"
# [[ADDRESS:][PUBLISHED]:]TARGET[/PROTOCOL]
PORTS = re.compile(rf"(((\d{{1,3}}\.){{3}}\d{{1,3}}:|\[[0-9a-fA-F:]+\]:)?({PORT})?:)?{PORT}(/(tcp|udp|sctp))?")
EXPOSE = re.compile(rf"{PORT}(/[a-z]+)?")
DURATION = re.compile(r"(\d+(\.\d+)?(us|ms|s|m|h))+")

# The schema names these formats and leaves them to the specification's text; its fourth, of subnets, is not looked at.
formats = jsonschema.FormatChecker(formats=())
for name, pattern in {"ports": PORTS, "expose": EXPOSE, "duration": DURATION}.items():
    formats.checks(name)(lambda value, pattern=pattern: pattern.fullmatch(str(value)) is not None)


def specification():
    files = importlib.metadata.files("docker-compose")
    [path] = [file for file in files if file.name == "compose_spec.json"]
    schema = json.loads(path.read_text())
    # The schema is of May 2021. The project's name at the top came to the specification after it, with this pattern;
    # nothing else newer is let through.
    assert "name" not in schema["properties"]
    schema["properties"]["name"] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"}
    return schema


def causes(error):
    """What is wrong in the end: of a choice, the reasons against each of its alternatives."""
    if not error.context:
        return [error]
    return [cause for alternative in error.context for cause in causes(alternative)]


def violations(validator, path):
    with open(path, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    for error in validator.iter_errors(document):
        for cause in causes(error):
            yield f"{'.'.join(map(str, cause.absolute_path)) or 'the file'}: {cause.message}"


validator = jsonschema.Draft201909Validator(specification(), format_checker=formats)
found = dict.fromkeys(line for path in sys.argv[1:] for line in violations(validator, path))
print("\n".join(found))
sys.exit(1 if found else 0)
