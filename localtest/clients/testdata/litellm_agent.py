"""A remote agent as a model of LiteLLM: litellm_agent.py URL TOKEN

It puts the whole conversation into one text, and begins a task and a context with each: nothing is continued.
"""

import asyncio
import logging
import os
import sys

os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'  # else it asks the internet
logging.disable(logging.CRITICAL)

import litellm

litellm.suppress_debug_info = True


async def complete(what, url, token, content, stream=False, **options):
    try:
        response = await litellm.acompletion(
            model='a2a/agent', api_base=url, api_key=token, stream=stream, num_retries=0,
            messages=[{'role': 'user', 'content': content}], **options,
        )
        if not stream:
            print(f'{what}: {response.choices[0].message.content!r}')
            return
        async for chunk in response:
            choice = chunk.choices[0]
            if choice.delta.content or choice.finish_reason:
                print(f'{what}: {choice.delta.content!r} {choice.finish_reason}')
    except Exception as e:
        print(f'{what}: {type(e).__name__}: {e}')


async def main(url, token):
    await complete('send', url, token, 'Hello')
    await complete('stream', url, token, 'Stream', stream=True)
    await complete('refused stream', url, 'no token', 'Hello', stream=True)
    await complete('without token', url, None, 'Hello')


asyncio.run(main(*sys.argv[1:]))
