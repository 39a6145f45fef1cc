"""What random input cannot know: the names of what is there, and that a watch does not end by itself.

Whatever is exchanged here is exchanged for something that is as valid, or as invalid, as it was.
"""

import collections
import json
import os
import pathlib
import re

import schemathesis

# {"names": {"probes": ["main", ...], ...}, "main": {"probes": "main", ...}, "objects": {"probes": {...}, ...}}
THERE = json.loads(pathlib.Path(os.environ["PORTREEVE_THERE"]).read_text())
# What the document says of names.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}\Z")
# A watch takes a second; so many are let through per route, the others ask for the list.
WATCHES = 1

tried = collections.Counter()
hit = set()
watched = collections.Counter()


@schemathesis.hook
def before_call(context, case, kwargs):
    route = case.operation.label
    tried[route] += 1
    if case.meta.generation.mode.is_positive and route not in hit:
        hit.add(route)
        ask_for_what_is_there(case)
        return
    name_what_is_there(case, tried[route])
    if route.endswith("/test/probe") and case.meta.generation.mode.is_positive:
        # Nobody answers here, and it would be waited for.
        case.body["probe"]["timeoutSeconds"] = 1
    query = case.query or {}
    if "watch" in query:
        if sent(query["watch"]) in (True, "True", "true", "1", ""):
            watched[route] += 1
            if watched[route] > WATCHES:
                query["watch"] = "false"
        # Whatever `watch` is written as: what is a watch to the server all the same must end, too.
        seconds = str(sent(query.get("timeoutSeconds", 1)))
        if re.fullmatch("[+]?[0-9]+", seconds, re.ASCII) and 1 <= int(seconds) <= 86_400:
            query["timeoutSeconds"] = 1


def sent(value):
    """A list of one is sent as that one, and what is empty as nothing behind the `=`."""
    if value in ([], (), {}):
        return ""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def collection(case):
    """`probes` of `/apis/portreeve/v1/probes/{name}/status`."""
    return case.operation.path.split("/{name}")[0].rsplit("/", 1)[1]


def ask_for_what_is_there(case):
    """The first valid request to each route is one that it can do what it is for with."""
    if "name" in (case.path_parameters or {}):
        name = THERE["main"].get(collection(case))
        # Other routes are still to find `main`.
        case.path_parameters["name"] = "spare" if case.method == "DELETE" and name == "main" else name
        if case.operation.path.endswith("/skip"):
            case.path_parameters["name"] = THERE["skipped"]
    case.headers = {name: value for name, value in (case.headers or {}).items() if not name.startswith("If-")}
    case.query = {name: "billing" for name in case.query or {} if name == "target"}
    if case.method == "PUT":
        case.body = THERE["objects"][collection(case)]
    elif case.method == "PATCH":
        case.body = {"metadata": {"labels": {"tier": "db"}}}
    elif case.method == "POST" and "{name}" not in case.operation.path and collection(case) in THERE["objects"]:
        there = THERE["objects"][collection(case)]
        case.body = {**there, "metadata": {"name": "posted"}}
    elif case.operation.path.endswith("/test/probe"):
        case.body = {"probe": {"tcpSocket": {"port": 1}}, "target": {"host": "127.0.0.1"}}


def name_what_is_there(case, turn):
    """Two of three names become those of what is there; the document in the body is about the same object."""
    name = (case.path_parameters or {}).get("name")
    if not isinstance(name, str) or not NAME.match(name):
        return
    there = THERE["names"].get(collection(case), [])
    if there and turn % 3:
        name = there[turn // 3 % len(there)]
    if case.method == "DELETE" and name == "main":
        name = "spare"
    case.path_parameters["name"] = name
    metadata = case.body.get("metadata") if isinstance(case.body, dict) else None
    if isinstance(metadata, dict) and isinstance(metadata.get("name"), str) and NAME.match(metadata["name"]):
        metadata["name"] = name
