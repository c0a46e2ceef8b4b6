import tabulate  # noqa: F401
from orders.handler import lambda_handler


def test_it():
    assert lambda_handler({"name": "a.com"}, None) == "helloa.com"
