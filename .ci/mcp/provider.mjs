// A real identity provider, oidc-provider (certified by the OpenID Foundation), set up as a user pool of Amazon Cognito
// would answer: an issuer with a path; access tokens that are JWTs signed by RS256 with `kid` and `alg` alone in the
// header; `token_use`, `client_id`, `username`, `cognito:groups`; an `aud` only where a person's client asked for a
// resource; metadata of OpenID Connect alone, without registration and `code_challenge_methods_supported`. Whoever signs in is let in.
// With STRICT=1 the metadata says that PKCE is spoken, and stands where RFC 8414 §3.1 looks for it, too.
//
//     node provider.mjs FILE_FOR_THE_ISSUER
//
// What oidc-provider does not do by itself is done where the token leaves: it puts `typ` into the header and insists on an
// `aud`, so the token is signed again, with the same key, without them. PKCE, codes, scopes and resources are its own.
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// Packages lie where they were installed, not beside this file.
const installed = createRequire(`${process.env.MCP_ENVIRONMENT}/package.json`);
const { default: Provider } = await import(pathToFileURL(installed.resolve("oidc-provider")));

const strict = process.env.STRICT === "1";
const POOL = "/us-east-1_Test";
const SCOPES = "tieout/read tieout/run tieout/write tieout/platform";
const PERSON = { sub: "5a0f1c1e-0d51-4b9f-9d3b-6f0f6f0c2a11", username: "lucja", groups: ["gas-desk"] };
// Stands for "no resource": oidc-provider only makes JWTs for one.
const NOWHERE = "urn:tieout:nowhere";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), kid: "test-1", alg: "RS256", use: "sig" };

const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const origin = `http://127.0.0.1:${server.address().port}`;
const issuer = origin + POOL;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "agent", application_type: "native", token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"], response_types: ["code"],
      redirect_uris: ["http://127.0.0.1/callback"],
    },
    {
      client_id: "nightly", client_secret: "Correct-Horse-7", grant_types: ["client_credentials"],
      response_types: [], redirect_uris: [], scope: SCOPES,
    },
  ],
  jwks: { keys: [key] },
  cookies: { keys: [randomBytes(16).toString("hex")] },
  scopes: ["openid", "offline_access", ...SCOPES.split(" ")],
  routes: { jwks: "/.well-known/jwks.json" },
  ttl: { AccessToken: 3600, ClientCredentials: 3600, AuthorizationCode: 60, IdToken: 3600, Interaction: 600, Session: 3600, Grant: 3600, RefreshToken: 3600 },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  interactions: { url: (_, interaction) => `${POOL}/sign-in/${interaction.uid}` },
  extraTokenClaims: (_, token) =>
    token.kind === "AccessToken"
      ? { token_use: "access", username: PERSON.username, "cognito:groups": PERSON.groups }
      : { token_use: "access" },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => NOWHERE,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: SCOPES, audience: resource, accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});

/** The same token as Cognito would have written it. */
function rewritten(token, is_machine) {
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  if (is_machine || claims.aud === NOWHERE) delete claims.aud;
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const message = `${part({ kid: key.kid, alg: "RS256" })}.${part(claims)}`;
  const signature = sign("RSA-SHA256", Buffer.from(message), createPrivateKey({ key, format: "jwk" }));
  return `${message}.${signature.toString("base64url")}`;
}

provider.use(async (ctx, next) => {
  await next();
  const route = ctx.oidc?.route;
  if (route === "token" && ctx.body?.access_token) {
    const is_machine = ctx.oidc.params.grant_type === "client_credentials";
    ctx.body = { ...ctx.body, access_token: rewritten(ctx.body.access_token, is_machine) };
  } else if (route === "discovery" && !strict) {
    const { code_challenge_methods_supported: _, ...metadata } = ctx.body;
    ctx.body = metadata;
  }
});

/** Signs the one person in, and agrees to what the client asks for. */
async function signIn(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: PERSON.sub } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  for (const resource of [params.resource ?? NOWHERE].flat()) grant.addResourceScope(resource, params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
server.on("request", (request, response) => {
  const found = `/.well-known/oauth-authorization-server${POOL}`;
  if (strict && request.url === found) request.url = `${POOL}/.well-known/openid-configuration`;
  if (!request.url.startsWith(`${POOL}/`)) return response.writeHead(404).end();
  if (request.url.startsWith(`${POOL}/sign-in/`)) {
    return signIn(request, response).catch((error) => response.writeHead(500).end(String(error)));
  }
  request.originalUrl = request.url;
  request.url = request.url.slice(POOL.length);
  return answer(request, response);
});
provider.on("server_error", (_, error) => console.error(error));

const [file] = process.argv.slice(2);
writeFileSync(`${file}.new`, issuer);
renameSync(`${file}.new`, file);
