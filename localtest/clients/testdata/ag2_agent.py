"""An agent of AG2 that is a remote A2A agent: ag2_agent.py URL TOKEN"""

import asyncio
import logging
import sys

logging.disable(logging.CRITICAL)

from ag2 import Agent
from ag2.a2a import A2AConfig


def agent(url, token, **options):
    headers = {'Authorization': f'Bearer {token}'} if token else None
    return Agent('remote', config=A2AConfig(card_url=url, headers=headers, max_reconnects=0, **options))


async def ask(what, remote, text):
    """Prints the answer, or the last cause of a failure."""
    try:
        reply = await remote.ask(text)
        print(f'{what}: {reply.body!r}')
        return reply
    except Exception as e:
        while e.__cause__:
            e = e.__cause__
        print(f'{what}: {type(e).__name__}: {e}')


async def main(url, token):
    await ask('send', agent(url, token, streaming=False), 'Hello')
    reply = await ask('stream', agent(url, token), 'Stream')
    # The second turn has a data part with the history.
    await ask('follow-up', reply, 'More')
    await ask('refused stream', agent(url, token, tenant='x' * 300), 'Hello')
    await ask('without token', agent(url, None), 'Hello')


asyncio.run(main(*sys.argv[1:]))
