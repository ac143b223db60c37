"""Writes docs/options.md, every option of every script as tables: python docs/option_tables.py"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "options.md"
SCRIPTS = ("train", "generate", "evaluate", "export")
INTRODUCTION = """# Every option

From the scripts themselves, by `python docs/option_tables.py`. The options of `train.py` up to `--xla`, those of the
discriminator, and `--evaluate-every` are kept in the run's `config.json`; each is a field of `TrainingConfig` in
`config.py`, where its default, its bounds and its help are written once. `--help` leaves out the rare ones, which an
error message names when they are needed; they are marked here.
"""


def page() -> str:
    """The page as Markdown: the groups of options of each script, with a row per option."""
    sys.path.insert(0, str(ROOT))
    sections = [INTRODUCTION]
    for name in SCRIPTS:
        parser = __import__(name).build_parser()
        sections.append(f"## {name}.py\n")
        for group in parser._action_groups:  # argparse has no public access to its groups
            rows = [
                row(action)
                for action in group._group_actions
                if action.help != argparse.SUPPRESS and action.dest != "help"
            ]
            title = {"positional arguments": "what", "options": "general"}.get(group.title, group.title)
            sections.append("\n".join([f"| {title} | |", "|---|---|", *rows]) + "\n" if rows else "")
    return "\n".join(section for section in sections if section)


def row(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or str(action.metavar)
    value = f" {action.metavar}" if action.option_strings and action.metavar else ""
    escaped = (name + value).replace("|", "\\|")
    mark = "*rare:* " if getattr(action, "rare", False) else ""
    return f"| `{escaped}` | {mark}{(action.help or '').replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
