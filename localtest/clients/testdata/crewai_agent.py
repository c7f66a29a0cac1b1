"""What CrewAI delegates to a remote agent: crewai_agent.py URL TOKEN"""

import asyncio
import logging
import os
import sys

logging.disable(logging.CRITICAL)
out = os.fdopen(os.dup(1), 'w', buffering=1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # it draws boxes around all that happens
os.environ.update(CREWAI_DISABLE_TELEMETRY='true', CREWAI_DISABLE_TRACKING='true', OTEL_SDK_DISABLED='true')

from crewai.a2a.auth import BearerTokenAuth
from crewai.a2a.config import A2AClientConfig
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
        text = result.get('result') or result.get('error')
        if what == 'send':
            text = text.split('... ')[-1]  # what comes before depends on when it polls
        print(f'{what}:', result['status'].value, repr(text), file=out)
        return result
    except Exception as e:
        print(f'{what}: {type(e).__name__}: {e}', file=out)


async def main(url, token):
    await delegate('send', url, token, 'Hello', updates=PollingConfig(interval=0.2))
    await delegate('stream', url, token, 'Stream')
    asked = await delegate('question', url, token, ' ', context_id='the conversation')
    task = next(m.task_id for m in asked['history'] if m.task_id)
    await delegate('follow-up', url, token, 'This', context_id='the conversation', task_id=task)
    await delegate('refused stream', url, token, 'More', context_id='the conversation', task_id=task)
    # An agent of a crew whose A2AClientConfig says nothing of them has these.
    modes = A2AClientConfig(endpoint=url).accepted_output_modes
    await delegate(f'default output modes {modes}', url, token, 'Hello', accepted_output_modes=modes)
    await delegate('without token', url, None, 'Hello')


asyncio.run(main(*sys.argv[1:]))
