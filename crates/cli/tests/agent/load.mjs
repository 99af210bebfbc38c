// One client of AWS's SDK for JavaScript under load: four calls at a time, until standard input ends.
import { createRequire } from "node:module";

const { STSClient, GetCallerIdentityCommand } = createRequire(`${process.env.NODE_MODULES}/`)("@aws-sdk/client-sts");

const sts = new STSClient({});
let done = false;
process.stdin.on("end", () => (done = true)).resume();

async function load() {
  while (!done) {
    await sts.send(new GetCallerIdentityCommand({}));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

await Promise.all([1, 2, 3, 4].map(load));
