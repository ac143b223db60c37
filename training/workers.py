"""The processes that share a run, from TF_CONFIG. Loads without TensorFlow, because it is needed before everything."""

import json
import os

from errors import InputError, Parameter


def find_workers(distribute: str | None) -> tuple[int, int]:
    """(the index of this worker, the number of workers), from TF_CONFIG; worker 0 is the chief.

    distribute: the value of the option. Raises ValueError if "multi-worker" has no TF_CONFIG with this worker.
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
