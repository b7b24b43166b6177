from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from headstart.web.documents import Classes, Predictions, Reloaded, State
from server import TOKEN, Served, drawn


def test_whatever_fits_the_description_is_answered_as_described(served: Served) -> None:
    schema = schemathesis.openapi.from_url(f"{served.address}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 12
    for operation in operations:

        @settings(max_examples=5, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        check()  # that bytes are a picture, which no schema can say, is not expected of them


def test_answers_are_as_described(served: Served) -> None:
    answers = served.ask("POST", "/predict", files=[("a", drawn(1)), ("b", b"no picture")]).json()
    assert Predictions.model_validate(answers, strict=False).model_dump(mode="json") == answers
    for path, record in (("/classes", Classes), ("/ready", State), ("/health", State)):
        document = served.ask("GET", path).json()
        assert record.model_validate(document).model_dump() == document
    document = served.ask("POST", "/reload").json()
    assert Reloaded.model_validate(document).model_dump() == document


def test_every_example_is_what_it_is_an_example_of() -> None:
    for record in (Predictions, Classes, State, Reloaded):
        for example in record.model_config["json_schema_extra"]["examples"]:  # type: ignore[index, call-overload, union-attr]
            record.model_validate(example)
