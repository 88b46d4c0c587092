from chom_pipelines.log_lines import LogLines, amount, duration, size


def test_a_line_is_written_every_half_minute_and_says_how_far_how_fast_and_how_long() -> None:
    now, lines = [0.0], list[str]()
    report = LogLines(lines.append, clock=lambda: now[0])
    for second in range(91):
        now[0] = float(second)
        report(second * 10_000_000, 2_000_000_000, "dump chom")
    assert lines == [
        "dump chom: 300 MB of 2 GB, 10 MB/s, 30.0 s so far, 2 min 50 s left",
        "dump chom: 600 MB of 2 GB, 10 MB/s, 1 min 00 s so far, 2 min 20 s left",
        "dump chom: 900 MB of 2 GB, 10 MB/s, 1 min 30 s so far, 1 min 50 s left",
    ]


def test_each_label_is_told_of_by_itself_and_an_unknown_total_is_left_out() -> None:
    now, lines = [0.0], list[str]()
    report = LogLines(lines.append, clock=lambda: now[0])
    report(0, None, "read")
    report(0, 10, "compare")
    now[0] = 30.0
    report(60, None, "read")
    assert lines == ["read: 60 B, 2 B/s, 30.0 s so far"]


def test_no_progress_predicts_nothing() -> None:
    now, lines = [0.0], list[str]()
    report = LogLines(lines.append, clock=lambda: now[0])
    report(5, 10, "read")
    now[0] = 30.0
    report(5, 10, "read")
    assert lines == ["read: 5 B of 10 B, 0 B/s, 30.0 s so far"]


def test_amounts_are_what_people_say() -> None:
    assert [size(count) for count in (0, 999, 1000, 532_000_000, 999_600, 1_250_000_000, 3e18)] == [
        "0 B", "999 B", "1 kB", "532 MB", "1 MB", "1.25 GB", "3e+03 PB",
    ]  # fmt: skip
    assert [duration(seconds) for seconds in (0.04, 59.94, 59.96, 200, 3720)] == [
        "0.0 s", "59.9 s", "1 min 00 s", "3 min 20 s", "1 h 02 min",
    ]  # fmt: skip


def test_one_thing_is_not_several() -> None:
    assert [amount(number, "row") for number in (0, 1, 2, 12_000)] == ["0 rows", "1 row", "2 rows", "12,000 rows"]
