// Verifies credentials with two independent verifiers and without a network.
// stdin: {documents: {url: document}, credentials: {name: credential}}; stdout: {name: {digitalbazaar, verifierCore}}.
// `digitalbazaar` is "verified", "revoked" or why not; `verifierCore` is its log as {step: valid}, or {error: name}.
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import * as vc from '@digitalbazaar/vc';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';

const input = JSON.parse(await new Response(process.stdin).text());

globalThis.fetch = async request => {
  const url = typeof request === 'string' ? request : request.url ?? String(request);
  const document = input.documents[url];
  const status = document === undefined ? 404 : 200;
  return new Response(JSON.stringify(document ?? {}), {status, headers: {'content-type': 'application/json'}});
};
// It keeps the fetch that is there when it is loaded.
const {verifyCredential} = await import('@digitalcredentials/verifier-core');

async function documentLoader(url) {
  if(url.startsWith('did:key:')) {
    const [did, fragment] = url.split('#');
    const publicKeyMultibase = did.slice('did:key:'.length);
    const key = await Ed25519Multikey.from({
      '@context': 'https://w3id.org/security/multikey/v1', id: `${did}#${publicKeyMultibase}`, type: 'Multikey',
      controller: did, publicKeyMultibase
    });
    const method = await key.export({publicKey: true, includeContext: true});
    const context = ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'];
    const whole = {'@context': context, id: did, verificationMethod: [method], assertionMethod: [method.id]};
    return {documentUrl: url, document: fragment ? method : whole};
  }
  if(url.startsWith('did:web:') && url.includes('#')) {
    const {document: whole} = await documentLoader(url.split('#')[0]);
    const method = whole.verificationMethod.find(each => each.id === url);
    return {documentUrl: url, document: {'@context': 'https://w3id.org/security/multikey/v1', ...method}};
  }
  const document = input.documents[url];
  if(document === undefined) {
    throw new Error(`${url} is not here`);
  }
  return {documentUrl: url, document};
}

const suite = new DataIntegrityProof({cryptosuite});

async function byDigitalBazaar(credential) {
  const check = options => checkStatus({...options, documentLoader, suite, verifyBitstringStatusListCredential: true});
  const result = await vc.verifyCredential({credential, suite, documentLoader, checkStatus: check});
  if(result.verified) {
    // The status is told, and judged by who asks.
    return result.statusResult?.results?.some(each => each.status) ? 'revoked' : 'verified';
  }
  const error = result.error ?? result.statusResult?.error;
  return [error?.message, ...(error?.errors ?? []).map(each => each.message)].join(': ') || 'not verified';
}

async function byVerifierCore(credential) {
  const result = await verifyCredential({credential, knownDIDRegistries: []});
  if(result.log === undefined) {
    return {error: result.errors?.[0]?.name ?? 'unknown'};
  }
  const schemas = result.additionalInformation?.find(each => each.id === 'schema_check')?.results ?? [];
  const steps = Object.fromEntries(result.log.map(step => [step.id, step.valid ?? step.error?.name]));
  return {...steps, schemas: schemas.map(each => each.result?.valid ?? each.result)};
}

const found = {};
for(const [name, credential] of Object.entries(input.credentials)) {
  found[name] = {digitalbazaar: await byDigitalBazaar(credential), verifierCore: await byVerifierCore(credential)};
}
console.log(JSON.stringify(found));
