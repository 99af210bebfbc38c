// Prints a token, signed for with the AWS SDK's own signer:
//
//   node token.mjs ISSUER_URL [AUDIENCE]
//
// Credentials come from the SDK's default chain (environment, profiles, SSO, containers, instances).
// Needs Node.js 20 or newer and
//   npm install @smithy/signature-v4 @aws-crypto/sha256-js @aws-sdk/credential-providers
// No newline is printed after the token, because some of its readers do not strip one.
import { Sha256 } from "@aws-crypto/sha256-js";
import { fromNodeProviderChain } from "@aws-sdk/credential-providers";
import { SignatureV4 } from "@smithy/signature-v4";

/** An API Gateway host name holds the region to sign for. A domain of your own does not. */
function regionOf(issuer) {
  return /\.execute-api\.([a-z0-9-]+)\.amazonaws\./.exec(issuer)?.[1] ?? process.env.AWS_REGION ?? "us-east-1";
}

export async function token(issuer, audience) {
  const url = new URL(`${issuer}/token`);
  const body = JSON.stringify(audience ? { audience } : {});
  const signer = new SignatureV4({
    service: "execute-api",
    region: regionOf(issuer),
    credentials: fromNodeProviderChain(),
    sha256: Sha256,
  });
  const signed = await signer.sign({
    method: "POST",
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    headers: { host: url.host, "content-type": "application/json" },
    body,
  });
  // fetch sends the Host header itself, and the same one.
  const { host, ...headers } = signed.headers;
  // A signed request is for one address and goes nowhere else.
  const answer = await fetch(url, { method: "POST", headers, body, redirect: "error", signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`HTTP status ${answer.status}: ${await answer.text()}`);
  return (await answer.json()).token;
}

const [issuer, audience] = process.argv.slice(2);
if (!issuer) {
  console.error("usage: token.mjs ISSUER_URL [AUDIENCE]");
  process.exit(2);
}
try {
  process.stdout.write(await token(issuer, audience));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
