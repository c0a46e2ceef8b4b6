import common
import idna


def lambda_handler(event, context):
    return common.GREETING + idna.encode(event.get("name", "a.com")).decode()
