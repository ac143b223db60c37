"""Progress without a terminal: a first line soon, then one a minute, with rate and time left."""

import progress


def test_lines_come_after_fifteen_seconds_and_then_every_minute(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.progress_bar("training", 1000, "images", done=100) as bar:
        for _ in range(80):
            now[0] += 1.0
            bar.advance(2, words="losses G 0.70 D 1.20")
    assert capsys.readouterr().err.splitlines() == [
        "training: 13%, 2 images/s, 7 min left, losses G 0.70 D 1.20",
        "training: 25%, 2 images/s, 6 min left, losses G 0.70 D 1.20",
    ]


def test_short_work_says_nothing(capsys):
    assert list(progress.track(range(3), "reading", 3, "files")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_the_rate_is_that_of_steps_that_do_not_compile(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.progress_bar("training", 1000, "images") as bar:
        for seconds in (60.0, 30.0, *[1.0] * 10):
            now[0] += seconds
            bar.advance(10)
    assert capsys.readouterr().err.splitlines() == ["training: 3%, 10 images/s, 2 min left"]


def test_work_for_a_time_has_a_share_of_the_time(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.progress_bar("epoch 7", 60, "s") as bar:
        for _ in range(20):
            now[0] += 1.0
            bar.advance(1)
    assert capsys.readouterr().err == "epoch 7: 25% of the time, 45 s left\n"
