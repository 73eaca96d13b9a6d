"""Certificate files: read back, refused when any number is changed, and of one network."""

import copy

import pytest
from certified import LOSSES

import subtheory as st
from subtheory.certificate import document
from subtheory.certificate.cases import CASES

BOTH = ("alignment", "trait-loss")


@pytest.fixture(scope="module")
def certificate():
    """The smallest network under squared error, which has a root of each kind."""
    return st.certify(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), {"alignment": 60, "trait-loss": 20}, kinds=BOTH)


# Files ---------------------------------------------------------------------------------------------


def numbers(value, path=()):
    """Every number of a document with a changed one."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from numbers(item, (*path, name))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers(item, (*path, i))
    elif isinstance(value, int):
        yield path, value + 1
    elif isinstance(value, str) and value[-1:].isdigit() and path[0] in ("problem", "statements", "sum"):
        digits, separator, rest = value.partition("/")
        if separator or "." not in value:
            yield path, f"{digits[:-1]}{(int(digits[-1]) + 1) % 10}{separator}{rest}"
        else:
            mantissa, mark, power = value.partition("E")
            yield path, f"{mantissa[:-1]}{(int(mantissa[-1]) + 1) % 10}{mark}{power}"


def altered(body, path, value):
    changed = copy.deepcopy(body)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed


def refused(body):
    try:
        st.check_certificate(body)
    except st.DataError:
        return True
    return False


def rehashed(body, summed=False):
    if summed:
        body["sum"] = str(document.total({name: body[name] for name in ("problem", "statements")}))
    return body | {"sha256": document.digest(body)}


def test_a_certificate_is_accepted_and_every_changed_number_is_refused(certificate):
    body = certificate.document
    assert [one.kind for one in st.check_certificate(body)] == list(BOTH)
    changes = list(numbers(body))
    assert len(changes) > 150
    for path, value in changes:
        assert refused(rehashed(altered(body, path, value))), path


def test_no_hash_and_no_sum_is_needed_where_a_statement_depends_on_the_number(certificate):
    body = certificate.document
    free = set()
    for path, value in numbers(body):
        if path != ("sum",) and not refused(rehashed(altered(body, path, value), summed=True)):
            free.add(path)
    # Squared error does not see the bias of a distilled output; targets of other outputs are not trained on.
    allowed = {("problem", "theta0", "head/bias", 0, 1)}
    assert {path for path in free if path[:3] != ("problem", "trait", "targets")} <= allowed
    assert all(path[-1] == 1 for path in free)


def test_what_does_not_cover_is_refused(certificate):
    body = certificate.document
    for change in (
        lambda s: s["ends"].pop(0),
        lambda s: [s[name].pop(3) for name in ("ends", "values", "bounds")],
        lambda s: [s[name].clear() for name in ("ends", "values", "bounds")],
        lambda s: s["ends"].reverse(),
        lambda s: s.update(kind="trait-loss"),
    ):
        changed = copy.deepcopy(body)
        change(changed["statements"][0])
        assert refused(rehashed(changed, summed=True))
    longer = copy.deepcopy(body)
    longer["statements"][0]["ends"][-1] = "2"
    assert refused(rehashed(longer, summed=True))
    assert refused(rehashed(body | {"statements": []}, summed=True))


def test_a_certificate_is_for_one_network(certificate):
    other = altered(certificate.document, ("problem", "network", "activation"), "sigmoid")
    assert refused(rehashed(other))
    assert st.check_certificate(certificate.document, CASES["tanh-2-4-2"].distillation(1, LOSSES[0]))
    for d in (
        CASES["tanh-2-4-2"].distillation(2, LOSSES[0]),
        CASES["sigmoid-2-4-2"].distillation(1, LOSSES[0]),
        CASES["tanh-2-4-2"].distillation(1, LOSSES[1]),
    ):
        with pytest.raises(st.DataError, match="another network or other numbers"):
            st.check_certificate(certificate.document, d)


def test_files_are_read_back_or_refused_in_one_line(certificate, tmp_path):
    path = certificate.save(tmp_path / "one.json")
    assert st.check_certificate(path)[0].upto == certificate.upto()
    for damage in (b"", b"{}", b"[]", path.read_bytes()[:-40], path.read_bytes().replace(b"tanh", b"tahn")):
        (tmp_path / "bad.json").write_bytes(damage)
        with pytest.raises(st.DataError) as raised:
            st.check_certificate(tmp_path / "bad.json")
        assert "\n" not in str(raised.value)
    with pytest.raises(st.DataError, match="no such file"):
        st.check_certificate(tmp_path / "none.json")
    malformed = rehashed({"format": document.FORMAT, "problem": {}, "statements": [], "sum": "0"})
    with pytest.raises(st.DataError, match="malformed"):
        st.check_certificate(malformed)
