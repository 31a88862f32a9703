// The npm package oidc-provider, configured for tests; its own pages sign in whoever comes, by any name.
// node certified_provider.mjs PACKAGE CONFIG: PACKAGE is the folder of the package, CONFIG is JSON with issuer, port, client and key.
import { generateKeyPairSync } from "node:crypto";
import { pathToFileURL } from "node:url";

const [folder, text] = process.argv.slice(2);
const { issuer, port, client, key } = JSON.parse(text);
const { Provider } = await import(pathToFileURL(`${folder}/lib/index.js`));
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const provider = new Provider(issuer, {
  clients: [client],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: key, use: "sig", alg: "RS256" }] },
  cookies: { keys: ["for tests"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@school.example`, email_verified: id !== "unverified", name: id }),
  }),
});
provider.listen(port, "localhost", () => console.log("ready"));
