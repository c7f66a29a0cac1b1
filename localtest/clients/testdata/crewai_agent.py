"""What CrewAI delegates to a remote agent: crewai_agent.py URL TOKEN"""

import asyncio
import logging
import os
import sys

logging.disable(logging.CRITICAL)
os.environ.update(CREWAI_DISABLE_TELEMETRY='true', CREWAI_DISABLE_TRACKING='true', OTEL_SDK_DISABLED='true')

from crewai.a2a.auth import BearerTokenAuth
from crewai.a2a.updates import PollingConfig, StreamingConfig
from crewai.a2a.utils.delegation import aexecute_a2a_delegation


async def delegate(what, url, token, text, **options):
    try:
        result = await aexecute_a2a_delegation(
            endpoint=url + '/.well-known/agent-card.json',
            auth=BearerTokenAuth(token=token) if token else None,
            timeout=60,
            task_description=text,
            **{'updates': StreamingConfig(), 'accepted_output_modes': ['text/plain'], **options},
        )
        print(f'{what}:', result['status'].value, repr(result.get('result') or result.get('error')))
        return result
    except Exception as e:
        print(f'{what}: {type(e).__name__}: {e}')


async def main(url, token):
    await delegate('send', url, token, 'Hello', updates=PollingConfig(interval=0.2))
    await delegate('stream', url, token, 'Stream')
    asked = await delegate('question', url, token, ' ', context_id='the conversation')
    task = next(m.task_id for m in asked['history'] if m.task_id)
    await delegate('follow-up', url, token, 'This', context_id='the conversation', task_id=task)
    await delegate('refused stream', url, token, 'More', context_id='the conversation', task_id=task)
    await delegate('default output modes', url, token, 'Hello', accepted_output_modes=None)
    await delegate('without token', url, None, 'Hello')


asyncio.run(main(*sys.argv[1:]))
