"""A FastMCP server with the same check of tokens, and a tool that is as cheap as a tool can be.

    fastmcp_server.py PORT CERTIFICATE KEY ISSUER JWKS AUDIENCE
"""

import sys

from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier

port, certificate, key, issuer, jwks, audience = sys.argv[1:]
server = FastMCP(
    "peer",
    auth=JWTVerifier(jwks_uri=jwks, issuer=issuer, audience=audience, algorithm="RS256", required_scopes=["tieout/read"]),
)


@server.tool
def list_discrepancies(limit: int = 1) -> dict:
    """Lists discrepancies: always the same one, which costs nothing to find."""
    return {"discrepancies": [{"discrepancy_id": "D-1", "kind": "amount", "variance": "10.00", "currency": "USD"}][:limit]}


server.run(
    transport="http",
    host="127.0.0.1",
    port=int(port),
    path="/mcp",
    stateless_http=True,
    json_response=True,
    log_level="error",
    uvicorn_config={"ssl_certfile": certificate, "ssl_keyfile": key, "access_log": False},
)
