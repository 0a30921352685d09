"""RESULTS.md is measured again by one command."""

from benchmarks import results

TEXT = """# Results

What it says.

<!-- python -m benchmarks.quality --help -->
of yesterday
<!-- end -->

Between.

<!-- python -m benchmarks.quality --data nowhere -->
kept
<!-- end -->
"""


def test_what_a_block_s_command_prints_takes_its_place_and_nothing_else_changes(tmp_path):
    file = tmp_path / "RESULTS.md"
    file.write_text(TEXT)
    assert results.main(["--file", str(file), "--only=--help"]) == 0
    text = file.read_text()
    assert "usage: python -m benchmarks.quality" in text
    assert "of yesterday" not in text
    assert text.startswith(TEXT[: TEXT.index("of yesterday")])
    assert text.endswith(TEXT[TEXT.index("<!-- end -->") :])


def test_where_a_command_fails_its_block_stays_and_the_command_says_so(tmp_path, capfd):
    file = tmp_path / "RESULTS.md"
    file.write_text(TEXT)
    assert results.main(["--file", str(file), "--only", "nowhere"]) == 1
    assert file.read_text() == TEXT
    assert "the block stays as it was" in capfd.readouterr().err


def test_a_block_that_is_not_there_is_an_error(tmp_path, capsys):
    file = tmp_path / "RESULTS.md"
    file.write_text(TEXT)
    assert results.main(["--file", str(file), "--only", "toys"]) == 1
    assert "no block" in capsys.readouterr().err


def test_every_block_of_the_page_has_a_command_that_is_there():
    commands = [block["command"] for block in results.BLOCK.finditer(results.RESULTS.read_text(encoding="utf-8"))]
    assert len(commands) >= 12
    assert len(set(commands)) == len(commands)
    for command in commands:
        module = command.split()[1].removeprefix("benchmarks.")
        assert results.RESULTS.with_name(f"{module}.py").exists()
