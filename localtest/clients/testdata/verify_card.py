"""Fetches the agent card at the URL that is the argument, and verifies its signatures with the SDK's verifier.

The key comes from the URL in the signature, which has to be the one that the card's own server has for it: any other
key would prove nothing.
"""

import asyncio
import sys
from urllib.parse import urljoin, urlsplit

import httpx
import jwt
from a2a.client import A2ACardResolver
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier


async def main(card_url):
    split = urlsplit(card_url)
    jwks_url = urljoin(card_url, 'jwks.json')
    async with httpx.AsyncClient() as client:
        response = await client.get(jwks_url)
        response.raise_for_status()
        keys = jwt.PyJWKSet.from_dict(response.json())

        def key(kid, jku):
            if jku != jwks_url:
                raise jwt.PyJWTError(f'the key is at {jku}, not {jwks_url}')
            return keys[kid]

        verify = create_signature_verifier(key, ['ES256', 'RS256', 'EdDSA'])
        resolver = A2ACardResolver(client, f'{split.scheme}://{split.netloc}', split.path)
        card = await resolver.get_agent_card(signature_verifier=verify)
        card.description += '!'
        try:
            verify(card)
        except InvalidSignaturesError:
            print('verified:', card.name)
            return
        sys.exit('a changed card is verified too')


asyncio.run(main(sys.argv[1]))
