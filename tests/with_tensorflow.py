"""What a process of processes.py has imported when it begins."""

import command_line

command_line.import_tensorflow()

import train  # noqa: E402, F401
import training.loop  # noqa: E402
import training.networks  # noqa: E402, F401
