// Verifies tokens as a relying party in JavaScript does: jose, with the remote key set that discovery names.
//
// Reads {"issuer", "tokens": [{"token", "audience"}, ...]} from stdin, writes a list of {header, claims} or {error}.
// NODE_MODULES is the folder that holds jose: Node.js would look for it beside this file only.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { createRemoteJWKSet, errors, jwtVerify } = await import(
  pathToFileURL(`${process.env.NODE_MODULES}/jose/dist/webapi/index.js`).href
);

const { issuer, tokens } = JSON.parse(readFileSync(0, "utf8"));
const response = await fetch(`${issuer}/.well-known/openid-configuration`);
if (!response.ok) throw new Error(`discovery answered ${response.status}`);
const discovery = await response.json();
if (discovery.issuer !== issuer) throw new Error(`discovery is of ${discovery.issuer}`);
const keys = createRemoteJWKSet(new URL(discovery.jwks_uri));

const answers = [];
for (const { token, audience } of tokens) {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: discovery.id_token_signing_alg_values_supported,
      requiredClaims: ["sub", "iat", "nbf", "exp", "jti"],
    });
    answers.push({ header: protectedHeader, claims: payload });
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    answers.push({ error: error.code });
  }
}
process.stdout.write(JSON.stringify(answers));
