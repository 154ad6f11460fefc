"""Runs uploads in a process of its own: an order a line on stdin, what came of it on stdout.

The constants of huggingface_hub are read when it is imported, and the tests' own process is kept
offline; so the real client runs here.
"""

import json
import logging
import os
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

from exagirl.errors import ExagirlError
from exagirl.publish.hub.patience import Patience
from exagirl.publish.repo import PlannedRepo


class Listener:
    """A watcher that writes down what it is told."""

    def __init__(self):
        self.said, self.total, self.advanced, self.summary = [], None, 0, ""

    def start(self, title, total=None):
        """Note the total."""
        self.total = total

    def advance(self, steps=1, note=""):
        """Add up the steps."""
        self.advanced += steps

    def board(self, lines, summary):
        """Do nothing."""

    def finish(self, summary=""):
        """Note the summary."""
        self.summary = summary

    def say(self, line):
        """Note the line."""
        self.said.append(line)


def run(order, listener):
    """Upload as ordered; gives what came of it."""
    from exagirl.publish.hub.hub import find_hub
    from exagirl.publish.hub.sending import Wish, send
    from exagirl.publish.hub.upload import upload

    repos = [PlannedRepo.model_validate(repo) for repo in order["repos"]]
    asked = order["wish"]
    if order["patience"] is None:
        return upload(repos, watcher=listener, **asked)
    wish = Wish(is_private=asked["private"], tag=asked["tag"], title=asked["title"])
    hub = find_hub(asked["endpoint"], asked["token"], Patience(**order["patience"]))
    return send(repos, wish, hub=hub, watcher=listener)


def library_state():
    """What an upload changes in huggingface_hub while it runs."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http, are_progress_bars_disabled, logging

    return (
        _http._GLOBAL_CLIENT_FACTORY,
        are_progress_bars_disabled(),
        logging.get_verbosity(),
        constants.HF_HUB_DISABLE_TELEMETRY,
    )


@contextmanager
def captured(path):
    """Everything that any code writes to stdout and stderr goes to a file."""
    kept = [os.dup(1), os.dup(2)]
    with Path(path).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        for number, original in enumerate(kept, start=1):
            (sys.stdout, sys.stderr)[number - 1].flush()
            os.dup2(original, number)
            os.close(original)


def serve(order):
    """Do one order; gives the result as a mapping."""
    listener, before = Listener(), library_state()
    result = {"published": None, "error": "", "kind": ""}
    try:
        result["published"] = run(order, listener).model_dump(mode="json")
    except (ExagirlError, KeyboardInterrupt) as error:
        result |= {"error": str(error), "kind": type(error).__name__}
    result |= {key: getattr(listener, key) for key in ("said", "total", "advanced", "summary")}
    return result | {"is_restored": library_state() == before}


def main():
    """Serve orders until stdin ends."""
    logging.basicConfig(level=logging.DEBUG)  # whatever any library logs lands on stderr
    warnings.simplefilter("error")  # a warning would stop an upload, and a test see it
    warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)  # huggingface_hub's own
    with os.fdopen(os.dup(1), "w", buffering=1) as replies:
        for line in sys.stdin:
            order = json.loads(line)
            with captured(order["output"]):
                result = serve(order)
            replies.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
