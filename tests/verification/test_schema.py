"""The JSON that others read: it fits its schema, the schema rejects what is wrong, and the text is steady."""

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from samples import holding, mixed

from subtheory import records, resources
from subtheory.claims import CLAIMS
from subtheory.cli.verbs.theory import describe
from subtheory.pages.report import to_json
from subtheory.verification.verdicts import verify_settings

GOLDEN = Path(__file__).parents[1] / "golden" / "verify.json"


def validator(name):
    schema = json.loads(resources.schema(name).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_golden_file():
    """The exact text; when the form changes on purpose, SCHEMA does too."""
    assert to_json(mixed()) == GOLDEN.read_text("utf-8")


@pytest.mark.parametrize("verification", [holding(), mixed()])
def test_handmade_verification_fits(verification):
    validator("verify").validate(json.loads(to_json(verification)))


def test_real_verification_fits():
    claims = [claim for claim in CLAIMS.values() if claim.name == "kink-reverses-alignment"]
    found = json.loads(to_json(verify_settings(claims, [], (0,))))
    assert found["claims"][0]["runs"] > 0
    validator("verify").validate(found)


def _drop(found):
    del found["claims"][0]["margin"]


def _verdict(found):
    found["claims"][0]["verdict"] = "probably"


def _extra(found):
    found["claims"][0]["controls"][0]["note"] = "unknown"


def _share(found):
    found["claims"][0]["controls"][0]["failed_fraction"] = 1.5


def _version(found):
    found["schema"] = 1


@pytest.mark.parametrize("spoil", [_drop, _verdict, _extra, _share, _version])
def test_schema_rejects(spoil):
    good = holding().to_dict()
    bad = copy.deepcopy(good)
    spoil(bad)
    assert validator("verify").is_valid(json.loads(json.dumps(good)))
    assert not validator("verify").is_valid(json.loads(json.dumps(bad)))


def test_claims_fit():
    found = {"claims": [describe(claim) for claim in CLAIMS.values()]}
    validator("claims").validate(found)
    del found["claims"][0]["statement"]
    assert not validator("claims").is_valid(found)


def test_record_fits(tmp_path):
    hashed = records.cell_id({})
    meta = {"id": hashed, "experiment": "x", "quick": True, "source": hashed, "subtheory": "0", "provenance": {}}
    found = json.loads(records.save(tmp_path, "record", {"a": [1.0]}, meta).read_text("utf-8"))
    validator("record").validate(found)
    del found["arrays"]
    assert not validator("record").is_valid(found)
