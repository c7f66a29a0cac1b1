"""The remote agent of the Agent Development Kit: adk_agent.py URL TOKEN"""

import asyncio
import logging
import sys
import warnings

import httpx

warnings.simplefilter('ignore')
logging.disable(logging.CRITICAL)

from google.adk.agents.remote_a2a_agent import RemoteA2aAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.runners import InMemoryRunner
from google.genai import types


def described(event):
    words = ['partial'] if event.partial else []
    if event.error_message:
        words.append('error: ' + event.error_message.splitlines()[0])
    for part in event.content.parts if event.content else []:
        if part.function_call:
            words.append(f'asks {part.function_call.args}')
        elif part.text is not None:
            words.append(('thought ' if part.thought else '') + repr(part.text))
    return ', '.join(words)


async def conversation(url, token, streaming, legacy):
    """Returns what says something in one session, which the agent keeps as one context."""
    client = httpx.AsyncClient(timeout=60, headers={'Authorization': f'Bearer {token}'} if token else {})
    agent = RemoteA2aAgent('remote', url + '/.well-known/agent-card.json', httpx_client=client, use_legacy=legacy)
    runner = InMemoryRunner(agent=agent, app_name='app')
    session = await runner.session_service.create_session(app_name='app', user_id='user')
    mode = RunConfig(streaming_mode=StreamingMode.SSE if streaming else StreamingMode.NONE)

    async def say(what, *parts):
        content = types.Content(role='user', parts=list(parts))
        try:
            async for event in runner.run_async(
                user_id='user', session_id=session.id, new_message=content, run_config=mode
            ):
                print(f'{what}: {described(event)}')
        except Exception as e:
            print(f'{what}: {type(e).__name__}: {e}')

    return say


async def main(url, token):
    for legacy in (True, False):
        say = await conversation(url, token, False, legacy)
        print('legacy' if legacy else 'extension')
        await say('send', types.Part(text='Hello'))
        say = await conversation(url, token, True, legacy)
        await say('stream', types.Part(text='Stream'))
        await say('question', types.Part(text=' '))
        await say('follow-up', types.Part(text='This'))
        image = types.Part(inline_data=types.Blob(data=b'hi', mime_type='image/png'))
        await say('refused stream', image)
        say = await conversation(url, None, True, legacy)
        await say('without token', types.Part(text='Hello'))


asyncio.run(main(*sys.argv[1:]))
