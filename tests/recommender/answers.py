"""What a page says."""


def text_of(response) -> str:
    assert response.status_code == 200, response
    return " ".join(response.content.decode().split())
