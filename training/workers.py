"""The processes that share a run, as TF_CONFIG names them. Loads without TensorFlow, to be asked first of all."""

import json
import os

from errors import InputError, Parameter


def find_workers(distribute: str | None) -> tuple[int, int]:
    """Which worker this process is, 0 being the chief, and how many there are, by TF_CONFIG for those of many.

    distribute: as the option has it. Raises ValueError where "multi-worker" has no TF_CONFIG with a place for it.
    """
    if distribute != "multi-worker":
        return 0, 1
    try:
        document = json.loads(os.environ.get("TF_CONFIG", ""))
        cluster, kind, index = document["cluster"], document["task"]["type"], int(document["task"]["index"])
        tasks = [(kind, number) for kind in ("chief", "worker") for number in range(len(cluster.get(kind, ())))]
        return tasks.index((kind, index)), len(tasks)
    except (ValueError, KeyError, TypeError, AttributeError):
        example = '{"cluster": {"worker": ["one:2222", "two:2222"]}, "task": {"type": "worker", "index": 0}}'
        got = os.environ.get("TF_CONFIG") or "none"
        raise InputError(
            (f"expected TF_CONFIG such as {example} with ", Parameter("distribute", "multi-worker"), f", got {got}"),
            "set it at each worker",
        ) from None
