import idna


def lambda_handler(event, context):
    return {"name": idna.encode("a.com").decode()}
