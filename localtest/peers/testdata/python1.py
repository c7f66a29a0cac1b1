"""An agent by the Python SDK (a2a-sdk 1.x), as its documentation writes one: it does not know a message that it has had before.

It inherits its listener as file 3. GET /received has the messages that its executor was given. A message "pushes N", or "later N" after
two seconds, is worked on for N status updates, "ask" is a question first, and "wait" is never done.
"""

import asyncio
import socket

import httpx
import uvicorn
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes.agent_card_routes import create_agent_card_routes
from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
from a2a.server.tasks import BasePushNotificationSender, InMemoryPushNotificationConfigStore, InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, Part, Task, TaskState, TaskStatus
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

received = []


class Executor(AgentExecutor):
    async def execute(self, context, event_queue):
        said = context.get_user_input()
        received.append({'message': context.message.message_id, 'context': context.context_id, 'task': context.task_id, 'text': said})
        if context.current_task is None:
            status = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
            await event_queue.enqueue_event(
                Task(id=context.task_id, context_id=context.context_id, status=status, history=[context.message])
            )
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        await updater.start_work()
        if said == 'ask':
            await updater.requires_input(updater.new_agent_message([Part(text='Which?')]))
            return
        if said == 'wait':
            await asyncio.sleep(3600)
        if said.startswith('later'):
            await asyncio.sleep(2)
        if said.startswith(('pushes', 'later')):
            for n in range(int(said.split()[1])):
                await updater.update_status(TaskState.TASK_STATE_WORKING, updater.new_agent_message([Part(text=f'{n}')]))
        await updater.add_artifact([Part(text=f'You said {said}.')], artifact_id='answer')
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


listener = socket.socket(fileno=3)
host, port = listener.getsockname()
card = AgentCard(
    name='Python', description='Repeats', version='1.0.0', skills=[], default_input_modes=['text'], default_output_modes=['text'],
    capabilities=AgentCapabilities(streaming=True, push_notifications=True),
    supported_interfaces=[AgentInterface(protocol_binding='JSONRPC', protocol_version='1.0', url=f'http://{host}:{port}/')],
)


async def main():
    configs = InMemoryPushNotificationConfigStore()
    async with httpx.AsyncClient() as client:
        handler = DefaultRequestHandler(
            agent_executor=Executor(), task_store=InMemoryTaskStore(), agent_card=card,
            push_config_store=configs, push_sender=BasePushNotificationSender(client, configs),
        )
        app = Starlette(routes=[
            Route('/received', lambda _: JSONResponse(received)),
            *create_agent_card_routes(card),
            *create_jsonrpc_routes(handler, '/'),
        ])
        await uvicorn.Server(uvicorn.Config(app, log_level='warning')).serve(sockets=[listener])


asyncio.run(main())
