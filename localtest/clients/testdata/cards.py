"""Reads agent cards with the SDK for Python that is installed, or with CrewAI: cards.py FILE..."""

import json
import sys

try:
    from crewai.a2a.auth import BearerTokenAuth
    from crewai.a2a.auth.utils import validate_auth_against_agent_card
except ImportError:
    validate_auth_against_agent_card = None
try:
    from a2a.client.card_resolver import parse_agent_card as parse
except ImportError:
    from a2a.types import AgentCard

    parse = AgentCard.model_validate


def read(card):
    if validate_auth_against_agent_card:
        validate_auth_against_agent_card(card, BearerTokenAuth(token='t'))
        return 'takes a bearer token'
    if hasattr(card, 'security_requirements'):
        names = [r.schemes for r in card.security_requirements]
    else:
        names = card.security or []
    return ', '.join(' and '.join(n) or 'nothing' for n in names)


for file in sys.argv[1:]:
    try:
        with open(file) as f:
            print(read(parse(json.load(f))))
    except Exception:
        print('not the card')
