"""Style files: what matplotlib allows is taken, what would run or is none is one line, and nothing is executed."""

from pathlib import Path

import matplotlib
import pytest

from subtheory import figure
from subtheory.errors import InputError
from subtheory.figure import styles

OWN = Path(matplotlib.get_data_path(), "stylelib")


@pytest.mark.parametrize("path", sorted(OWN.glob("*.mplstyle")), ids=lambda path: path.stem)
def test_all_of_matplotlibs_own_are_read_as_it_reads_them(path):
    found = styles.read(path)
    theirs = matplotlib.rc_params_from_file(path, use_default_template=False)
    assert found and all(theirs[key] == value for key, value in found.items())
    assert all(styles.UNUSED.fullmatch(key) for key in set(theirs) - set(found))


def test_a_style_is_seen_and_its_colours_are_taken(tmp_path):
    path = tmp_path / "mine.mplstyle"
    path.write_text(
        "axes.linewidth: 3  # thick\naxes.prop_cycle: cycler('color', ['r', '0000ff'])\nsavefig.bbox: tight\n"
    )
    found = styles.read(path)
    assert found["axes.linewidth"] == 3 and styles.colours(found) == ["#ff0000", "#0000ff"]
    assert "savefig.bbox" not in found and styles.colours({}) == []
    with figure.drawn_for("neurips", settings=found), figure.style():
        assert figure.blank().panels[0].spines["left"].get_linewidth() == 3
    with figure.style():
        assert figure.blank().panels[0].spines["left"].get_linewidth() == 0.6


@pytest.mark.parametrize(
    "text",
    [
        "axes.linewidth", "axes.linewith: 3", "axes.linewidth: thick", "text.usetex: True", "axes.prop_cycle: 1/0",
        "axes.prop_cycle: __import__('os').system('touch ran')", "axes.prop_cycle: cycler('color', print(1))",
        "axes.prop_cycle: cycler('color', [open('ran', 'w').name])", "font.size: \x00", "lines.dashed_pattern: x",
    ],
)  # fmt: skip
def test_what_is_no_style_is_one_line(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.mplstyle"
    path.write_text("# a comment\n\n" + text)
    with pytest.raises(InputError) as error:
        styles.read(path)
    said = str(error.value)
    assert said.startswith("style: ") and "\n" not in said and "line 3" in said and not (tmp_path / "ran").exists()


def test_a_file_that_is_none_or_too_large(tmp_path):
    (tmp_path / "large").write_bytes(b"#" * (styles.MOST + 1))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xfa")
    for path in (tmp_path / "none", tmp_path, tmp_path / "large", tmp_path / "bytes"):
        with pytest.raises(InputError, match="style: must be a style file"):
            styles.read(path)


def test_what_would_run_a_program_or_python_is_never_taken(tmp_path):
    path = tmp_path / "odd.mplstyle"
    path.write_text("figure.hooks: os:abort\nanimation.ffmpeg_path: sh\npgf.preamble: x\nbackend: tkagg\n")
    assert styles.read(path) == {}
