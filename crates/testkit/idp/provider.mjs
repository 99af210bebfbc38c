// An OAuth identity provider on the loopback: oidc-provider, which is certified, set up for client credentials alone.
//
// Its access token is a JWT for the API that the form's `audience` names, as Auth0 does it; without `audience` it is opaque.
// The settings come from the environment: NODE_MODULES, the folder that holds oidc-provider (Node.js would look for it beside
// this file only); ISSUER, where it is another than the address; AUTH, the one way in which clients may authenticate.
// Key and client secret are made at the start and are nowhere else. One line of JSON on stdout says that it listens.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const { default: Provider, errors } = await import(
  pathToFileURL(`${process.env.NODE_MODULES}/oidc-provider/lib/index.js`).href
);

const AUDIENCES = ["sts.amazonaws.com", "https://api.test/"];
// All that RFC 6749 allows and a form writes otherwise.
const clientId = "ci:nightly+build";
const clientSecret = `${randomBytes(24).toString("base64")} %&=+:~"`;
const auth = process.env.AUTH ?? "client_secret_basic";

const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const origin = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig" };
const client = (client_id, grant_types, others) => ({
  client_id,
  client_secret: clientSecret,
  grant_types,
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: auth,
  ...others,
});

const issuer = process.env.ISSUER ?? origin;
const provider = new Provider(issuer, {
  clientAuthMethods: [auth],
  clients: [
    client(clientId, ["client_credentials"], { scope: "read" }),
    client("web", ["authorization_code"], { redirect_uris: ["https://web.test/"], response_types: ["code"] }),
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: ({ oidc: { body } }) => body.audience && `urn:api:${encodeURIComponent(body.audience)}`,
      getResourceServerInfo: (_, resource) => {
        const audience = decodeURIComponent(resource.slice("urn:api:".length));
        if (!AUDIENCES.includes(audience)) throw new errors.InvalidTarget("no such API");
        return { audience, accessTokenFormat: "jwt", scope: "read", jwt: { sign: { alg: "RS256" } } };
      },
    },
  },
  // A client may use either way of authentication, whatever was announced: the token says which it was.
  extraTokenClaims: ({ headers }) => ({ auth: headers.authorization ? "basic" : "post" }),
  jwks: { keys: [key] },
  scopes: ["read", "write"],
  ttl: { ClientCredentials: 300 },
});
// Every URL of the discovery document is below the issuer, as it is behind a proxy that ends TLS.
provider.proxy = true;
const answer = provider.callback();
const [protocol, host] = issuer.split("://");
server.on("request", (request, response) => {
  Object.assign(request.headers, { host, "x-forwarded-proto": protocol });
  answer(request, response);
});
process.stdout.write(`${JSON.stringify({ origin, client_id: clientId, client_secret: clientSecret })}\n`);
