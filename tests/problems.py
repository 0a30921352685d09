"""Reading the API's errors."""


def fields(response) -> list[str | None]:
    """The fields that a refused request is told of. Asserts that the answer is a problem as RFC 9457 has it."""
    return [error["field"] for error in problem(response, 400)["errors"]]


def problem(response, status: int) -> dict:
    """The problem that an answer is, once it is one of this status."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["type"]
    assert body["title"]
    assert body["detail"]
    return body
