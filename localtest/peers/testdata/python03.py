"""The agent of python1.py by the Python SDK of A2A 0.3 (a2a-sdk 0.3.x)."""

import asyncio
import socket

import httpx
import uvicorn
from a2a.server.agent_execution import AgentExecutor
from a2a.server.apps import A2AStarletteApplication
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import BasePushNotificationSender, InMemoryPushNotificationConfigStore, InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, Part, TaskState, TextPart
from a2a.utils import new_task
from starlette.responses import JSONResponse
from starlette.routing import Route

received = []


def text(said):
    return [Part(root=TextPart(text=said))]


class Executor(AgentExecutor):
    async def execute(self, context, event_queue):
        said = context.get_user_input()
        received.append({'message': context.message.message_id, 'context': context.context_id, 'task': context.task_id, 'text': said})
        if context.current_task is None:
            await event_queue.enqueue_event(new_task(context.message))
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        await updater.start_work()
        if said == 'ask':
            await updater.requires_input(updater.new_agent_message(text('Which?')), final=True)
            return
        if said == 'wait':
            await asyncio.sleep(3600)
        if said.startswith('later'):
            await asyncio.sleep(2)
        if said.startswith(('pushes', 'later')):
            for n in range(int(said.split()[1])):
                await updater.update_status(TaskState.working, updater.new_agent_message(text(f'{n}')))
        await updater.add_artifact(text(f'You said {said}.'), artifact_id='answer')
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


listener = socket.socket(fileno=3)
host, port = listener.getsockname()
card = AgentCard(
    name='Python', description='Repeats', version='1.0.0', url=f'http://{host}:{port}/', skills=[], default_input_modes=['text'],
    default_output_modes=['text'], capabilities=AgentCapabilities(streaming=True, push_notifications=True),
)


async def main():
    configs = InMemoryPushNotificationConfigStore()
    async with httpx.AsyncClient() as client:
        handler = DefaultRequestHandler(
            agent_executor=Executor(), task_store=InMemoryTaskStore(),
            push_config_store=configs, push_sender=BasePushNotificationSender(client, configs),
        )
        app = A2AStarletteApplication(agent_card=card, http_handler=handler).build()
        app.routes.append(Route('/received', lambda _: JSONResponse(received)))
        await uvicorn.Server(uvicorn.Config(app, log_level='warning')).serve(sockets=[listener])


asyncio.run(main())
