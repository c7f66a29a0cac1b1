"""An MCP server, by the Python SDK, whose tools say of themselves what MCP lets them say.

Usage: server.py LEDGER stdio
       server.py LEDGER PORT [json] [stateless]

Each call of a tool is a line of the file LEDGER, with its arguments.
"""

import asyncio
import sys

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp_types import ToolAnnotations

ledger, transport, options = sys.argv[1], sys.argv[2], sys.argv[3:]
server = MCPServer("shop")


def note(name, **args):
    with open(ledger, "a") as f:
        f.write(" ".join([name, *(f"{k}={v}" for k, v in args.items())]) + "\n")


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def drop(order: str) -> str:
    """Drops an order, which cannot be undone."""
    note("drop", order=order)
    return f"{order} is dropped."


@server.tool()
def charge(order: str, ctx: Context) -> str:
    """Charges an order."""
    note("charge", order=order)
    return f"{order} is charged."


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def search(text: str) -> str:
    """Searches the shop."""
    note("search", text=text)
    return f"One teapot has {text}."


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def rename(order: str, name: str) -> str:
    """Gives an order a name."""
    note("rename", order=order, name=name)
    return f"{order} is {name}."


@server.tool(annotations=ToolAnnotations(destructive_hint=False))
def add(order: str) -> dict[str, int]:
    """Adds a teapot to an order."""
    note("add", order=order)
    return {"teapots": 1}


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def hang() -> str:
    """Does not answer for an hour."""
    note("hang")
    await asyncio.sleep(3600)
    return "At last."


@server.tool()
async def ship(order: str) -> str:
    """Ships an order, which takes an hour."""
    note("ship", order=order)
    await asyncio.sleep(3600)
    return f"{order} is shipped."


@server.tool(annotations=ToolAnnotations(read_only_hint=True), structured_output=False)
def large(megabytes: int) -> str:
    """Answers with so many megabytes."""
    note("large")
    return "x" * (megabytes << 20)


@server.tool(annotations=ToolAnnotations(read_only_hint=True), structured_output=False)
def picture() -> Image:
    """Draws the smallest picture."""
    note("picture")
    return Image(data=bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
        "0000000049454e44ae426082"), format="png")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def fail() -> str:
    """Fails."""
    note("fail")
    raise ValueError("the shop is closed")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def headers(ctx: Context) -> str:
    """Tells what the request's headers were."""
    request = ctx.request_context.request
    return str(dict(request.headers)) if request else "none"


if transport == "stdio":
    server.run("stdio")
else:
    server.run(
        "streamable-http",
        host="127.0.0.1",
        port=int(transport),
        json_response="json" in options,
        stateless_http="stateless" in options,
    )
