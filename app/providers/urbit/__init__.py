"""urb-it: a checkout that is asked for until it is bought, and a callback that tells of its delivery. Neither has a
stamp, and the checkout knows of the purchase only: both go forward only."""

from typing import Final

from app.providers.contract import Provider
from app.providers.urbit.callback import masked, parse, verify
from app.providers.urbit.checkout import redact
from app.providers.urbit.polling import POLLING, Options

PROVIDER: Final = Provider(
    name="urbit",
    label="urb-it",
    verify=verify,
    parse=parse,
    redact=redact,
    options=Options,
    methods=frozenset({"GET"}),
    status=200,
    polling=POLLING,
    masked=masked,
)
