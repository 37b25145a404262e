"""The Python SDK against tieout: over stdio, and over HTTP with its OAuth client, which finds the provider by itself.

    client.py stdio TIEOUT TIEOUT.TOML
    client.py http ABOUT URL METADATA_OF_THE_PROVIDER

Prints one line for each thing tried; ends with 1 if one of them failed.
"""

import asyncio
import base64
import json
import sys
import traceback
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

CALLBACK = "http://127.0.0.1/callback"
SECONDS = 60


class Tried:
    """What was tried, and what came of it."""

    failed = 0

    def __init__(self, about):
        self.about = about

    def __call__(self, what, holds, seen=""):
        Tried.failed += not holds
        print(f"{self.about}: {what}: {'passed' if holds else 'FAILED'}{f', {seen}' if seen else ''}", flush=True)


def content(result):
    return result.structured_content or {}


async def operations(client, tried):
    """What every client does with a server, and what it gets."""
    tools = [tool.name for tool in (await client.list_tools()).tools]
    tried("tools/list", {"list_discrepancies", "explain_discrepancy", "inspect_file"} <= set(tools), f"{len(tools)} tools")
    found = await client.call_tool("list_discrepancies", {})
    rows = content(found).get("discrepancies", [])
    tried("tools/call list_discrepancies", not found.is_error and len(rows) == 2, f"{len(rows)} discrepancies")
    bad = await client.call_tool("list_discrepancies", {"limit": "many"})
    tried("tools/call with a bad argument is an error of the tool", bad.is_error)
    resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
    tried("resources/list", any(uri.startswith("tieout://reports/") for uri in resources), f"{len(resources)} reports")
    if resources:
        read = await client.read_resource(resources[0])
        tried("resources/read", bool(read.contents), resources[0])
    prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
    tried("prompts/list", "summarise_night" in prompts, ", ".join(prompts))
    got = await client.get_prompt("summarise_night", {})
    tried("prompts/get", bool(got.messages))


async def stdio(program, config):
    for mode in ("auto", "legacy"):
        server = StdioServerParameters(command=program, args=["mcp", "serve", "--stdio", "--config", config])
        async with Client(server, mode=mode, read_timeout_seconds=SECONDS) as client:
            tried = Tried(f"python stdio {client.protocol_version}")
            wanted = "2026-07-28" if mode == "auto" else "2025-11-25"
            tried("revision", client.protocol_version == wanted, client.protocol_version)
            await operations(client, tried)


class Kept:
    """Where the client keeps what it was given; the client id was given out of band, as Cognito does it."""

    def __init__(self, client_id):
        self.tokens = None
        self.client = OAuthClientInformationFull(
            client_id=client_id, redirect_uris=[CALLBACK], token_endpoint_auth_method="none"
        )
        self.granted = []

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens
        self.granted.append(set((tokens.scope or "").split()))

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Person:
    """Follows the provider's pages to the callback, as a browser would."""

    def __init__(self):
        self.asked = []
        self.came = None
        # As in a browser, who has signed in once is still signed in.
        self.browser = httpx2.AsyncClient(timeout=SECONDS)

    async def open(self, address):
        self.asked.append({key: values[0] for key, values in parse_qs(urlsplit(address).query).items()})
        for _ in range(20):
            answer = await self.browser.get(address)
            if "location" not in answer.headers:
                raise RuntimeError(f"{answer.status_code} instead of a redirect: {answer.text[:500]}")
            address = str(answer.url.join(answer.headers["location"]))
            if address.startswith(CALLBACK):
                self.came = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
                return
        raise RuntimeError("twenty redirects, and no callback")

    async def callback(self):
        if "code" not in self.came:
            raise RuntimeError(f"the provider refused: {self.came}")
        return AuthorizationCodeResult(code=self.came["code"], state=self.came["state"], iss=self.came.get("iss"))


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def http(about, url, metadata_path):
    for mode in ("auto", "legacy"):
        kept, person = Kept("agent"), Person()
        seen = []

        async def note(response, seen=seen):
            seen.append((response.request.method, urlsplit(str(response.request.url)).path, response.status_code))

        metadata = OAuthClientMetadata(
            client_name="suite", redirect_uris=[CALLBACK], token_endpoint_auth_method="none",
            grant_types=["authorization_code", "refresh_token"], response_types=["code"],
        )
        auth = OAuthClientProvider(url, metadata, kept, person.open, person.callback)
        async with httpx2.AsyncClient(auth=auth, timeout=SECONDS, event_hooks={"response": [note]}) as web:
            transport = streamable_http_client(url, http_client=web)
            async with Client(transport, mode=mode, read_timeout_seconds=SECONDS) as client:
                tried = Tried(f"python http {about} {client.protocol_version}")
                wanted = "2026-07-28" if mode == "auto" else "2025-11-25"
                tried("revision", client.protocol_version == wanted, client.protocol_version)
                tried("without a token, 401", ("POST", urlsplit(url).path, 401) in seen)
                found = "/.well-known/oauth-protected-resource/mcp"
                tried("metadata of the resource (RFC 9728)", ("GET", found, 200) in seen, found)
                tried("metadata of the provider", ("GET", metadata_path, 200) in seen, metadata_path)
                first = person.asked[0]
                tried("PKCE S256, and the resource", first.get("code_challenge_method") == "S256" and first.get("resource") == url)
                tried("no more scopes than are needed", "tieout/run" not in kept.granted[0], " ".join(sorted(kept.granted[0])))
                token = claims(kept.tokens.access_token)
                tried("the token is for this server", token.get("aud") == url and token["token_use"] == "access")
                await operations(client, tried)
                before = len(person.asked)
                ran = await client.call_tool("reconcile", {"dry_run": True})
                refused = ("POST", urlsplit(url).path, 403) in seen
                tried("scope step-up: 403, asked once more", refused and len(person.asked) == before + 1)
                tried("scope step-up: all scopes afterwards", {"tieout/read", "tieout/run"} <= kept.granted[-1],
                      " ".join(sorted(kept.granted[-1])))
                tried("scope step-up: the call is answered", not ran.is_error)
        await person.browser.aclose()


def main():
    how, *rest = sys.argv[1:]
    try:
        asyncio.run(asyncio.wait_for({"stdio": stdio, "http": http}[how](*rest), timeout=240))
    except BaseException:
        traceback.print_exc()
        Tried(f"python {how}")("ran to the end", False)
    sys.exit(1 if Tried.failed else 0)


main()
