// Gets a token with the AWS SDK's own signer, calls an API with it, and prints what the API answers:
//
//   npm ci
//   node whoami.ts ISSUER_URL AUDIENCE API_URL
//
// Needs Node.js 22.18 or newer, which runs TypeScript as it is. On Node.js 20: npm run build && node build/whoami.js ...
// Credentials come from the SDK's default chain (environment, profiles, SSO, containers, instances).
import { Sha256 } from "@aws-crypto/sha256-js";
import { fromNodeProviderChain } from "@aws-sdk/credential-providers";
import { SignatureV4 } from "@smithy/signature-v4";

/** An API Gateway host name holds the region to sign for. A domain of your own does not. */
function regionOf(issuer: string): string {
  return /\.execute-api\.([a-z0-9-]+)\.amazonaws\./.exec(issuer)?.[1] ?? process.env.AWS_REGION ?? "us-east-1";
}

// It keeps credentials, and renews those that expire. One for the whole program.
const credentials = fromNodeProviderChain();

/** A token, and for how many seconds it is good. Keep it, and ask for the next one when a fifth of that is left. */
export async function token(issuer: string, audience: string): Promise<{ token: string; expires_in: number }> {
  const url = new URL(`${issuer}/token`);
  const body = JSON.stringify({ audience });
  const signer = new SignatureV4({ service: "execute-api", region: regionOf(issuer), credentials, sha256: Sha256 });
  const signed = await signer.sign({
    method: "POST",
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    headers: { host: url.host, "content-type": "application/json" },
    body,
  });
  // fetch sends the Host header itself, and the same one.
  const { host: _, ...headers } = signed.headers;
  // A signed request is for one address and goes nowhere else.
  const signal = AbortSignal.timeout(10_000);
  const answer = await fetch(url, { method: "POST", headers, body, redirect: "error", signal });
  if (!answer.ok) throw new Error(`no token: HTTP status ${answer.status}: ${await answer.text()}`);
  const given = (await answer.json()) as { token: string; expires_in: number };
  if (typeof given?.token !== "string") throw new Error("no token in the answer: is it the issuer's URL?");
  return given;
}

async function whoami(api: string, bearer: string): Promise<string> {
  const headers = { authorization: `Bearer ${bearer}` };
  const answer = await fetch(`${api}/whoami`, { headers, redirect: "error", signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`the API answered ${answer.status}: ${await answer.text()}`);
  return answer.text();
}

const [issuer, audience, api] = process.argv.slice(2);
if (!issuer || !audience || !api) {
  console.error("usage: whoami.ts ISSUER_URL AUDIENCE API_URL");
  process.exit(2);
}
try {
  console.log(await whoami(api, (await token(issuer, audience)).token));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
